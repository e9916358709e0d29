use std::borrow::Cow;

/// A value of XML-RPC.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// `<int>`; `<i8>` where 32 bits do not hold it.
    Int(i64),
    /// `<boolean>`.
    Bool(bool),
    /// `<string>`.
    String(String),
    /// `<double>`.
    Double(f64),
    /// `<dateTime.iso8601>`, as it is written.
    DateTime(String),
    /// `<base64>`.
    Bytes(Vec<u8>),
    /// `<array>`.
    Array(Vec<Value>),
    /// `<struct>`, in the order of its members; of two with one name the last counts.
    Struct(Vec<(Cow<'static, str>, Value)>),
    /// `<nil/>`, an extension that Python knows.
    Nil,
}

impl Value {
    /// A struct of these members.
    pub fn members<const N: usize>(members: [(&'static str, Value); N]) -> Self {
        Self::Struct(members.into_iter().map(|(name, value)| (name.into(), value)).collect())
    }

    /// The text, if it is one.
    pub fn as_str(&self) -> Option<&str> {
        if let Self::String(text) = self { Some(text) } else { None }
    }

    /// The whole number, if it is one.
    pub fn as_int(&self) -> Option<i64> {
        if let Self::Int(number) = self { Some(*number) } else { None }
    }

    /// The truth value, if it is one.
    pub fn as_bool(&self) -> Option<bool> {
        if let Self::Bool(is_true) = self { Some(*is_true) } else { None }
    }

    /// The elements, if it is an array.
    pub fn as_array(&self) -> Option<&[Value]> {
        if let Self::Array(elements) = self { Some(elements) } else { None }
    }

    /// The member of this name, if it is a struct that has one.
    pub fn member(&self, name: &str) -> Option<&Value> {
        let Self::Struct(members) = self else { return None };
        members.iter().rev().find(|(member, _)| member == name).map(|(_, value)| value)
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int(number)
    }
}

impl From<i32> for Value {
    fn from(number: i32) -> Self {
        Self::Int(number.into())
    }
}

impl From<bool> for Value {
    fn from(is_true: bool) -> Self {
        Self::Bool(is_true)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.to_owned())
    }
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::String(text)
    }
}

impl From<Vec<Value>> for Value {
    fn from(elements: Vec<Value>) -> Self {
        Self::Array(elements)
    }
}
