use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

use super::nearest::nearest;

/// Which services a command means: nothing said or `all` is every one, else names, globs and `group:*`.
///
/// A selection is words until it meets a fleet; [`Selection::pick`] is that meeting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Selection {
    words: Vec<String>,
}

/// A service as a selection sees it.
#[derive(Debug, Clone)]
pub struct Candidate<'a, N> {
    /// Its name.
    pub name: &'a N,
    /// Its group.
    pub group: Option<&'a str>,
    /// The declared service that it is a replica of, and its number; none if that has no other.
    pub replica: Option<(&'a str, u32)>,
}

/// A word that selected nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no service is called `{word}`")]
pub struct NoSuchService {
    /// The word as it was typed.
    pub word: String,
    /// The service that it may stand for.
    pub near: Option<String>,
}

impl NoSuchService {
    /// The way out.
    pub fn hint(&self) -> String {
        self.near.as_ref().map_or_else(
            || "`procman status` lists the services".to_owned(),
            |near| format!("did you mean `{near}`?"),
        )
    }
}

impl Selection {
    /// A selection of the words as typed; an empty list means every service.
    pub fn of(words: impl IntoIterator<Item = impl Into<String>>) -> Self {
        Self { words: words.into_iter().map(Into::into).collect() }
    }

    /// Every service.
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether nothing narrows it.
    pub fn is_all(&self) -> bool {
        self.words.is_empty() || self.words.iter().any(|word| word == "all" || word == "*")
    }

    /// The words as typed.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// Those of `services` that are meant, in their own order, each once. The name of a declared service means all of its
    /// replicas; `NAME-1` means the first alone.
    ///
    /// # Errors
    /// The first word that selects nothing: a misspelt name is never silently an empty selection.
    pub fn pick<'a, N: Clone + AsRef<str> + 'a>(
        &self,
        services: impl Iterator<Item = Candidate<'a, N>> + Clone,
    ) -> Result<Vec<N>, NoSuchService> {
        if self.is_all() {
            return Ok(services.map(|service| service.name.clone()).collect());
        }
        let patterns: Vec<(Pattern, &String)> =
            self.words.iter().map(|word| (Pattern::of(word), word)).collect();
        for (pattern, word) in &patterns {
            if !services.clone().any(|service| pattern.fits(&service)) {
                let near = nearest(word, services.map(|service| service.name.as_ref()));
                return Err(NoSuchService { word: (*word).clone(), near: near.map(str::to_owned) });
            }
        }
        Ok(services
            .filter(|service| patterns.iter().any(|(pattern, _)| pattern.fits(service)))
            .map(|service| service.name.clone())
            .collect())
    }
}

enum Pattern {
    Name(String),
    Glob(GlobMatcher),
    InGroup { group: String, inner: Box<Pattern> },
}

impl Pattern {
    fn of(word: &str) -> Self {
        if let Some((group, inner)) = word.split_once(':') {
            return Self::InGroup { group: group.to_owned(), inner: Box::new(Self::of(inner)) };
        }
        if !word.contains(['*', '?', '[', '{']) {
            return Self::Name(word.to_owned());
        }
        match Glob::new(word) {
            Ok(glob) => Self::Glob(glob.compile_matcher()),
            Err(_) => Self::Name(word.to_owned()),
        }
    }

    fn fits<N: AsRef<str>>(&self, service: &Candidate<'_, N>) -> bool {
        let Candidate { name, group, replica } = *service;
        match (self, replica) {
            (Self::Name(word), Some((of, 1))) => word == of || *word == format!("{of}-1"),
            (Self::Name(word), Some((of, _))) => word == of || word == name.as_ref(),
            (Self::Name(word), None) => word == name.as_ref(),
            (Self::Glob(glob), _) => glob.is_match(name.as_ref()),
            (Self::InGroup { group: wanted, inner }, _) => {
                group == Some(wanted) && inner.fits(&Candidate { name, group: None, replica })
            }
        }
    }
}

impl AsRef<str> for super::name::ServiceName {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

#[cfg(test)]
mod tests {
    use super::{Candidate, Selection};
    use crate::vocab::name::ServiceName;

    fn check(words: &[&str], expected: Result<&[&str], &str>) {
        let fleet = [
            ("api", Some("web"), None),
            ("db", None, None),
            ("page", Some("web"), Some(("page", 1))),
            ("page-2", Some("web"), Some(("page", 2))),
            ("poller", Some("back"), None),
        ]
        .map(|(name, group, replica)| (ServiceName::parse(name).unwrap(), group, replica));
        let services =
            fleet.iter().map(|(name, group, replica)| Candidate { name, group: *group, replica: *replica });
        let picked = Selection::of(words.iter().copied()).pick(services);
        match expected {
            Ok(names) => {
                assert_eq!(picked.unwrap().iter().map(ServiceName::as_str).collect::<Vec<_>>(), names)
            }
            Err(word) => assert_eq!(picked.unwrap_err().word, word),
        }
    }

    #[test]
    fn words_select_by_name_glob_and_group() {
        check(&[], Ok(&["api", "db", "page", "page-2", "poller"]));
        check(&["all"], Ok(&["api", "db", "page", "page-2", "poller"]));
        check(&["db", "api", "db"], Ok(&["api", "db"]));
        check(&["p*"], Ok(&["page", "page-2", "poller"]));
        check(&["web:*"], Ok(&["api", "page", "page-2"]));
        check(&["web:p*"], Ok(&["page", "page-2"]));
    }

    #[test]
    fn a_declared_name_means_all_of_its_replicas_and_a_number_one_of_them() {
        check(&["page"], Ok(&["page", "page-2"]));
        check(&["page-1"], Ok(&["page"]));
        check(&["page-2"], Ok(&["page-2"]));
        check(&["web:page-1"], Ok(&["page"]));
        check(&["page-3"], Err("page-3"));
        check(&["db-1"], Err("db-1"));
    }

    #[test]
    fn a_word_that_selects_nothing_is_named() {
        check(&["api", "apo"], Err("apo"));
        check(&["back:api"], Err("back:api"));
        check(&["x*"], Err("x*"));
    }
}
