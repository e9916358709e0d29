use std::collections::BTreeMap;

/// Environment variables, taken once, so that the same file gives the same fleet whoever asks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Environment {
    variables: BTreeMap<String, String>,
}

impl Environment {
    /// Those of this process. Variables that are not UTF-8 are left out.
    pub fn of_this_process() -> Self {
        std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect()
    }

    /// The variables by name.
    pub fn variables(&self) -> &BTreeMap<String, String> {
        &self.variables
    }

    /// One variable.
    pub fn value(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// Sets one variable.
    pub(super) fn insert(&mut self, name: String, value: String) {
        self.variables.insert(name, value);
    }

    /// These variables with others in front of them.
    pub(super) fn overlaid(&self, others: &BTreeMap<String, String>) -> Self {
        let mut variables = self.variables.clone();
        variables.extend(others.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self { variables }
    }
}

impl FromIterator<(String, String)> for Environment {
    fn from_iter<T: IntoIterator<Item = (String, String)>>(variables: T) -> Self {
        Self { variables: variables.into_iter().collect() }
    }
}
