use globset::{Glob, GlobMatcher};
use serde::{Deserialize, Serialize};

/// Which services a command means: nothing said or `all` is every one, else names, globs and `group:*`.
///
/// A selection is words until it meets a fleet; [`Selection::pick`] is that meeting.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Selection {
    words: Vec<String>,
}

/// A word that selected nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no service is called `{word}`")]
pub struct NoSuchService {
    /// The word as it was typed.
    pub word: String,
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

    /// Those of `services` (name and group) that are meant, in their own order, each once.
    ///
    /// # Errors
    /// The first word that selects nothing: a misspelt name is never silently an empty selection.
    pub fn pick<'a, N: Clone + AsRef<str> + 'a>(
        &self,
        services: impl Iterator<Item = (&'a N, Option<&'a str>)> + Clone,
    ) -> Result<Vec<N>, NoSuchService> {
        if self.is_all() {
            return Ok(services.map(|(name, _)| name.clone()).collect());
        }
        let patterns: Vec<(Pattern, &String)> =
            self.words.iter().map(|word| (Pattern::of(word), word)).collect();
        for (pattern, word) in &patterns {
            if !services.clone().any(|(name, group)| pattern.fits(name.as_ref(), group)) {
                return Err(NoSuchService { word: (*word).clone() });
            }
        }
        Ok(services
            .filter(|(name, group)| patterns.iter().any(|(pattern, _)| pattern.fits(name.as_ref(), *group)))
            .map(|(name, _)| name.clone())
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

    fn fits(&self, name: &str, group: Option<&str>) -> bool {
        match self {
            Self::Name(word) => word == name,
            Self::Glob(glob) => glob.is_match(name),
            Self::InGroup { group: wanted, inner } => group == Some(wanted) && inner.fits(name, None),
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
    use super::Selection;
    use crate::vocab::name::ServiceName;

    fn check(words: &[&str], expected: Result<&[&str], &str>) {
        let fleet: Vec<(ServiceName, Option<&str>)> =
            [("api", Some("web")), ("db", None), ("page", Some("web")), ("poller", Some("back"))]
                .map(|(name, group)| (ServiceName::parse(name).unwrap(), group))
                .to_vec();
        let picked =
            Selection::of(words.iter().copied()).pick(fleet.iter().map(|(name, group)| (name, *group)));
        match expected {
            Ok(names) => {
                assert_eq!(picked.unwrap().iter().map(ServiceName::as_str).collect::<Vec<_>>(), names)
            }
            Err(word) => assert_eq!(picked.unwrap_err().word, word),
        }
    }

    #[test]
    fn words_select_by_name_glob_and_group() {
        check(&[], Ok(&["api", "db", "page", "poller"]));
        check(&["all"], Ok(&["api", "db", "page", "poller"]));
        check(&["db", "api", "db"], Ok(&["api", "db"]));
        check(&["p*"], Ok(&["page", "poller"]));
        check(&["web:*"], Ok(&["api", "page"]));
        check(&["web:p*"], Ok(&["page"]));
    }

    #[test]
    fn a_word_that_selects_nothing_is_named() {
        check(&["api", "apo"], Err("apo"));
        check(&["back:api"], Err("back:api"));
        check(&["x*"], Err("x*"));
    }
}
