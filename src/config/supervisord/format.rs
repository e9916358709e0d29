use std::collections::BTreeMap;

use super::python::repr;

/// What `%(name)s` may stand for.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    known: BTreeMap<String, Known>,
}

#[derive(Debug, Clone)]
enum Known {
    Text(String),
    Number(i64),
}

impl Names {
    pub(super) fn set(&mut self, name: impl Into<String>, text: impl Into<String>) {
        self.known.insert(name.into(), Known::Text(text.into()));
    }

    pub(super) fn set_number(&mut self, name: &str, number: i64) {
        self.known.insert(name.to_owned(), Known::Number(number));
    }

    /// Adds each variable as `ENV_NAME`.
    pub(super) fn set_variables<'a>(
        &mut self,
        variables: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) {
        for (name, value) in variables {
            self.set(format!("ENV_{name}"), value);
        }
    }

    /// These with others in front of them.
    pub(super) fn overlaid(&self, others: &Self) -> Self {
        let mut known = self.known.clone();
        known.extend(others.known.iter().map(|(name, value)| (name.clone(), value.clone())));
        Self { known }
    }
}

/// Python's `text % names`, in supervisord's words when it fails; `what` is the option that the text is of.
pub(super) fn expand(text: &str, names: &Names, what: &str) -> Result<String, String> {
    Formatter { text: text.chars().collect(), at: 0, names }.run().map_err(|bad| {
        let (text, what) = (repr(text), repr(what));
        match bad {
            Bad::Unknown(name) => {
                let known: Vec<&str> = names.known.keys().map(String::as_str).collect();
                format!(
                    "Format string {text} for {what} contains names ({}) which cannot be expanded. \
                     Available names: {}",
                    repr(&name),
                    known.join(", ")
                )
            }
            Bad::Format(why) => format!("Format string {text} for {what} is badly formatted: {why}"),
        }
    })
}

enum Bad {
    Unknown(String),
    Format(String),
}

struct Formatter<'a> {
    text: Vec<char>,
    at: usize,
    names: &'a Names,
}

/// What stands between `%` and the letter.
#[derive(Default)]
struct Spec {
    is_left: bool,
    is_zero: bool,
    is_alternate: bool,
    sign: Option<char>,
    width: usize,
    precision: Option<usize>,
}

/// More than any name or number needs: a width out of a file shall not eat the memory.
const WIDTH_MAX: usize = 4096;

impl Formatter<'_> {
    fn run(mut self) -> Result<String, Bad> {
        let mut out = String::new();
        while let Some(c) = self.next() {
            if c != '%' {
                out.push(c);
                continue;
            }
            let known = self.key()?;
            let spec = self.spec()?;
            let at = self.at;
            let letter = self.next().ok_or_else(|| Bad::Format("incomplete format".to_owned()))?;
            if letter == '%' {
                out.push('%');
                continue;
            }
            let known = match known {
                Some(known) => known,
                None if letters().contains(letter) => return Err(self.whole(letter)),
                None => Known::Text(String::new()),
            };
            out.push_str(&spec.format(&known, letter, at)?);
        }
        Ok(out)
    }

    /// A format without a name means the whole table of names in Python, of which nothing good can come.
    fn whole(&self, letter: char) -> Bad {
        Bad::Format(match letter {
            's' | 'r' | 'a' => format!("%{letter} names no variable; write %%{letter} for the text itself"),
            'c' => "%c requires int or char".to_owned(),
            letter => format!("%{letter} format: a real number is required, not dict"),
        })
    }

    fn next(&mut self) -> Option<char> {
        let c = self.text.get(self.at).copied();
        self.at += usize::from(c.is_some());
        c
    }

    fn peek(&self) -> Option<char> {
        self.text.get(self.at).copied()
    }

    /// `(name)`; parentheses inside it are counted.
    fn key(&mut self) -> Result<Option<Known>, Bad> {
        if self.peek() != Some('(') {
            return Ok(None);
        }
        self.at += 1;
        let (mut depth, mut name) = (1, String::new());
        loop {
            match self.next() {
                None => return Err(Bad::Format("incomplete format key".to_owned())),
                Some(')') if depth == 1 => break,
                Some(c) => {
                    depth += i32::from(c == '(') - i32::from(c == ')');
                    name.push(c);
                }
            }
        }
        self.names.known.get(&name).cloned().map(Some).ok_or(Bad::Unknown(name))
    }

    fn spec(&mut self) -> Result<Spec, Bad> {
        let mut spec = Spec::default();
        while let Some(c) = self.peek() {
            match c {
                '-' => spec.is_left = true,
                '0' => spec.is_zero = true,
                '#' => spec.is_alternate = true,
                '+' => spec.sign = Some('+'),
                ' ' => spec.sign = spec.sign.or(Some(' ')),
                _ => break,
            }
            self.at += 1;
        }
        spec.width = self.number()?.unwrap_or(0);
        if self.peek() == Some('.') {
            self.at += 1;
            spec.precision = Some(self.number()?.unwrap_or(0));
        }
        if matches!(self.peek(), Some('h' | 'l' | 'L')) {
            self.at += 1;
        }
        Ok(spec)
    }

    fn number(&mut self) -> Result<Option<usize>, Bad> {
        if self.peek() == Some('*') {
            return Err(Bad::Format("* wants int".to_owned()));
        }
        let mut found = None;
        while let Some(digit) = self.peek().and_then(|c| c.to_digit(10)) {
            let number = found.unwrap_or(0_usize).saturating_mul(10).saturating_add(digit as usize);
            if number > WIDTH_MAX {
                return Err(Bad::Format("width too big".to_owned()));
            }
            found = Some(number);
            self.at += 1;
        }
        Ok(found)
    }
}

/// The letters that a format may end with.
fn letters() -> &'static str {
    "diouxXeEfFgGcrsa"
}

impl Spec {
    fn format(&self, known: &Known, letter: char, at: usize) -> Result<String, Bad> {
        match (letter, known) {
            ('s', Known::Text(text)) => Ok(self.pad(self.cut(text))),
            ('s' | 'r' | 'a', Known::Number(number)) => Ok(self.pad(self.cut(&number.to_string()))),
            ('r' | 'a', Known::Text(text)) => Ok(self.pad(self.cut(&repr(text)))),
            ('d' | 'i' | 'u', Known::Number(number)) => {
                Ok(self.digits(*number, number.unsigned_abs().to_string(), ""))
            }
            ('x', Known::Number(number)) => {
                Ok(self.digits(*number, format!("{:x}", number.unsigned_abs()), "0x"))
            }
            ('X', Known::Number(number)) => {
                Ok(self.digits(*number, format!("{:X}", number.unsigned_abs()), "0X"))
            }
            ('o', Known::Number(number)) => {
                Ok(self.digits(*number, format!("{:o}", number.unsigned_abs()), "0o"))
            }
            ('f' | 'F', Known::Number(number)) => {
                let point = ".".repeat(usize::from(self.precision != Some(0) || self.is_alternate));
                let zeros = "0".repeat(self.precision.unwrap_or(6));
                let plain = Self { precision: None, is_alternate: false, ..*self };
                Ok(plain.digits(*number, format!("{}{point}{zeros}", number.unsigned_abs()), ""))
            }
            ('c', Known::Number(number)) => {
                let c = u32::try_from(*number).ok().and_then(char::from_u32);
                let c = c.ok_or_else(|| Bad::Format("%c arg not in range(0x110000)".to_owned()))?;
                Ok(self.pad(c.to_string()))
            }
            ('c', Known::Text(text)) if text.chars().count() == 1 => Ok(self.pad(text.clone())),
            ('c', Known::Text(_)) => Err(Bad::Format("%c requires int or char".to_owned())),
            ('d' | 'i' | 'u', Known::Text(_)) => {
                Err(Bad::Format(format!("%{letter} format: a real number is required, not str")))
            }
            ('x' | 'X' | 'o', Known::Text(_)) => {
                Err(Bad::Format(format!("%{letter} format: an integer is required, not str")))
            }
            ('e' | 'E' | 'f' | 'F' | 'g' | 'G', Known::Text(_)) => {
                Err(Bad::Format("must be real number, not str".to_owned()))
            }
            ('e' | 'E' | 'g' | 'G', Known::Number(_)) => {
                Err(Bad::Format(format!("%{letter} is not understood here; write %d")))
            }
            (other, _) => Err(Bad::Format(format!(
                "unsupported format character '{}' ({:#x}) at index {at}",
                if (' '..='~').contains(&other) { other } else { '?' },
                u32::from(other)
            ))),
        }
    }

    fn cut(&self, text: &str) -> String {
        text.chars().take(self.precision.unwrap_or(usize::MAX)).collect()
    }

    fn pad(&self, text: String) -> String {
        let width = self.width;
        if self.is_left { format!("{text:<width$}") } else { format!("{text:>width$}") }
    }

    fn digits(&self, number: i64, magnitude: String, prefix: &str) -> String {
        let sign = match (number < 0, self.sign) {
            (true, _) => "-".to_owned(),
            (false, sign) => sign.map(String::from).unwrap_or_default(),
        };
        let prefix = if self.is_alternate { prefix } else { "" };
        let least = self.precision.unwrap_or(0);
        let magnitude = format!("{magnitude:0>least$}");
        let taken = sign.len() + prefix.len();
        if self.is_zero && !self.is_left {
            let rest = self.width.saturating_sub(taken);
            return format!("{sign}{prefix}{magnitude:0>rest$}");
        }
        self.pad(format!("{sign}{prefix}{magnitude}"))
    }
}
