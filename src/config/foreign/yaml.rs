use saphyr::{MarkedYaml, ScanError, YamlData, YamlLoader};
use saphyr_parser::{Parser, ScalarStyle};

/// A value of a YAML file and the line that it begins in, from 1.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) line: usize,
    pub(super) data: Data,
}

/// What a value is. Scalars are as they are written: `1.10` is no number that loses its zero.
#[derive(Debug, Clone)]
pub(super) enum Data {
    /// Nothing, or `null`.
    Nothing,
    Text(String),
    List(Vec<Node>),
    Table(Vec<(String, Node)>),
}

/// Anchors and merged tables grow a file so deep at most.
const DEPTH_MAX: usize = 64;

/// Reads the first document of a file; a table's `<<` brings in what it does not say itself.
pub(super) fn read(text: &str) -> Result<Node, ScanError> {
    let mut loader = YamlLoader::<MarkedYaml<'_>>::default();
    loader.early_parse(false);
    Parser::new_from_str(text).load(&mut loader, false)?;
    if let Some(error) = loader.error() {
        return Err(error.clone());
    }
    let nothing = Node { line: 1, data: Data::Nothing };
    Ok(loader.into_documents().first().map_or(nothing, |document| node(document, 0)))
}

fn node(from: &MarkedYaml<'_>, depth: usize) -> Node {
    let line = from.span.start.line();
    if depth > DEPTH_MAX {
        return Node { line, data: Data::Nothing };
    }
    let data = match &from.data {
        YamlData::Representation(text, ScalarStyle::Plain, _)
            if matches!(text.as_ref(), "" | "~" | "null") =>
        {
            Data::Nothing
        }
        YamlData::Representation(text, _, _) => Data::Text(text.to_string()),
        YamlData::Sequence(members) => Data::List(members.iter().map(|it| node(it, depth + 1)).collect()),
        YamlData::Mapping(entries) => {
            let pairs = entries.iter().filter_map(|(key, value)| {
                let Data::Text(key) = node(key, depth + 1).data else { return None };
                Some((key, node(value, depth + 1)))
            });
            Data::Table(merged(pairs.collect()))
        }
        YamlData::Tagged(_, inner) => return node(inner, depth + 1),
        YamlData::Value(_) | YamlData::Alias(_) | YamlData::BadValue => Data::Nothing,
    };
    Node { line, data }
}

/// The entries of a table, with those of the tables that its `<<` names where it has none itself.
fn merged(entries: Vec<(String, Node)>) -> Vec<(String, Node)> {
    let (merges, mut own): (Vec<_>, Vec<_>) = entries.into_iter().partition(|(key, _)| key == "<<");
    let tables = merges.into_iter().flat_map(|(_, node)| match node.data {
        Data::List(tables) => tables,
        Data::Nothing | Data::Text(_) | Data::Table(_) => vec![node],
    });
    for table in tables {
        for (key, value) in table.entries() {
            if own.iter().all(|(name, _)| name != key) {
                own.push((key.clone(), value.clone()));
            }
        }
    }
    own
}

impl Node {
    /// The text of a scalar; none of what is something else.
    pub(super) fn text(&self) -> Option<&str> {
        match &self.data {
            Data::Text(text) => Some(text),
            Data::Nothing | Data::List(_) | Data::Table(_) => None,
        }
    }

    /// The entries of a table; of anything else none.
    pub(super) fn entries(&self) -> &[(String, Node)] {
        match &self.data {
            Data::Table(entries) => entries,
            Data::Nothing | Data::Text(_) | Data::List(_) => &[],
        }
    }

    /// The value of a table's key.
    pub(super) fn get(&self, key: &str) -> Option<&Node> {
        self.entries().iter().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    /// The members of a list; anything but nothing is a list of itself.
    pub(super) fn members(&self) -> &[Node] {
        match &self.data {
            Data::List(members) => members,
            Data::Nothing => &[],
            Data::Text(_) | Data::Table(_) => std::slice::from_ref(self),
        }
    }

    /// Whether a scalar says yes, in one of YAML's ways.
    pub(super) fn is_true(&self) -> bool {
        matches!(self.text(), Some("true" | "True" | "TRUE" | "yes" | "on"))
    }
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn scalars_are_as_they_are_written_and_merged_tables_say_what_is_not_said() {
        let text = "base: &base {a: 1.10, b: '007'}\nuse:\n  <<: *base\n  b: 022\n  c:\n  d: [~, x]\n";
        let root = read(text).unwrap();
        let used = root.get("use").unwrap();
        let said = |key: &str| used.get(key).and_then(super::Node::text).map(str::to_owned);
        assert_eq!(said("a").as_deref(), Some("1.10"));
        assert_eq!(said("b").as_deref(), Some("022"));
        assert!(said("c").is_none());
        assert_eq!(used.get("d").unwrap().members().len(), 2);
        assert_eq!(used.get("b").unwrap().line, 4);
    }

    #[test]
    fn a_file_that_grows_by_its_anchors_is_an_error() {
        let mut text = "a: &a [x,x,x,x,x,x,x,x,x]\n".to_owned();
        for (new, old) in "bcdefghi".chars().zip("abcdefgh".chars()) {
            text.push_str(&format!(
                "{new}: &{new} [*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old},*{old}]\n"
            ));
        }
        assert!(read(&text).is_err());
    }
}
