use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use quick_xml::events::{BytesRef, BytesStart, Event};

use super::fault::Fault;
use super::malformed::Malformed;
use super::message::Answer;
use super::value::Value;

/// Arrays and structs may lie so deep in each other.
const DEPTH_MAX: usize = 64;

/// The elements of XML-RPC.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tag {
    MethodCall,
    MethodName,
    MethodResponse,
    Params,
    Param,
    Fault,
    Value,
    Array,
    Data,
    Struct,
    Member,
    Name,
    Int,
    Bool,
    String,
    Double,
    DateTime,
    Bytes,
    Nil,
}

impl Tag {
    /// The types are those that Python's `xmlrpc.client` reads.
    fn parse(start: &BytesStart<'_>) -> Option<Self> {
        Some(match start.local_name().as_ref() {
            "methodCall" => Self::MethodCall,
            "methodName" => Self::MethodName,
            "methodResponse" => Self::MethodResponse,
            "params" => Self::Params,
            "param" => Self::Param,
            "fault" => Self::Fault,
            "value" => Self::Value,
            "array" => Self::Array,
            "data" => Self::Data,
            "struct" => Self::Struct,
            "member" => Self::Member,
            "name" => Self::Name,
            "int" | "i1" | "i2" | "i4" | "i8" | "biginteger" => Self::Int,
            "boolean" => Self::Bool,
            "string" => Self::String,
            "double" | "float" | "bigdecimal" => Self::Double,
            "dateTime.iso8601" => Self::DateTime,
            "base64" => Self::Bytes,
            "nil" => Self::Nil,
            _ => return None,
        })
    }
}

/// What comes next in a document, beside text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    Open(Tag),
    Close,
    End,
}

/// Walks through one document.
pub(super) struct Reader<'a> {
    xml: quick_xml::Reader<&'a [u8]>,
    /// The text since the last tag.
    text: String,
}

impl<'a> Reader<'a> {
    pub(super) fn of(document: &'a [u8], bytes_max: usize) -> Result<Self, Malformed> {
        if document.len() > bytes_max {
            return Err(Malformed::TooLarge { limit: bytes_max });
        }
        let text = std::str::from_utf8(document).map_err(|_| Malformed::NotText)?;
        let mut xml = quick_xml::Reader::from_str(text);
        xml.config_mut().expand_empty_elements = true;
        Ok(Self { xml, text: String::new() })
    }

    /// A call: the name of the method and what it is given.
    pub(super) fn call(mut self) -> Result<(String, Vec<Value>), Malformed> {
        self.open(Tag::MethodCall)?;
        self.open(Tag::MethodName)?;
        self.close()?;
        let method = self.text.trim().to_owned();
        let params = match self.next()? {
            Next::Close => Vec::new(),
            Next::Open(Tag::Params) => {
                let params = self.params()?;
                self.close()?;
                params
            }
            Next::Open(_) | Next::End => return Err(Malformed::NotXmlRpc("a call has a name and params")),
        };
        self.end()?;
        Ok((method, params))
    }

    /// The answer to a call.
    pub(super) fn answer(mut self) -> Result<Answer, Malformed> {
        self.open(Tag::MethodResponse)?;
        let answer = match self.next()? {
            Next::Open(Tag::Params) => {
                let [value] = <[Value; 1]>::try_from(self.params()?)
                    .map_err(|_| Malformed::NotXmlRpc("an answer has one value"))?;
                Ok(value)
            }
            Next::Open(Tag::Fault) => {
                self.open(Tag::Value)?;
                let fault = fault(&self.value(0)?)?;
                self.close()?;
                Err(fault)
            }
            Next::Open(_) | Next::Close | Next::End => {
                return Err(Malformed::NotXmlRpc("an answer has params or a fault"));
            }
        };
        self.close()?;
        self.end()?;
        Ok(answer)
    }

    /// What follows `<params>`.
    fn params(&mut self) -> Result<Vec<Value>, Malformed> {
        let mut params = Vec::new();
        while self.another(Tag::Param)? {
            self.open(Tag::Value)?;
            params.push(self.value(0)?);
            self.close()?;
        }
        Ok(params)
    }

    /// What follows `<value>`, up to and with `</value>`.
    fn value(&mut self, depth: usize) -> Result<Value, Malformed> {
        if depth > DEPTH_MAX {
            return Err(Malformed::TooDeep { limit: DEPTH_MAX });
        }
        let value = match self.next()? {
            Next::Close => return Ok(Value::String(std::mem::take(&mut self.text))),
            Next::Open(Tag::Array) => {
                self.open(Tag::Data)?;
                let mut elements = Vec::new();
                while self.another(Tag::Value)? {
                    elements.push(self.value(depth + 1)?);
                }
                self.close()?;
                Value::Array(elements)
            }
            Next::Open(Tag::Struct) => {
                let mut members = Vec::new();
                while self.another(Tag::Member)? {
                    members.push(self.member(depth)?);
                }
                Value::Struct(members)
            }
            Next::Open(tag) => {
                self.close()?;
                scalar(tag, std::mem::take(&mut self.text))?
            }
            Next::End => return Err(Malformed::NotXmlRpc("it ends within a value")),
        };
        self.close()?;
        Ok(value)
    }

    /// What follows `<member>`, up to and with `</member>`.
    fn member(&mut self, depth: usize) -> Result<(Cow<'static, str>, Value), Malformed> {
        self.open(Tag::Name)?;
        self.close()?;
        let name = std::mem::take(&mut self.text);
        self.open(Tag::Value)?;
        let value = self.value(depth + 1)?;
        self.close()?;
        Ok((name.into(), value))
    }

    fn open(&mut self, tag: Tag) -> Result<(), Malformed> {
        if self.next()? == Next::Open(tag) { Ok(()) } else { Err(Malformed::NotXmlRpc(expected(tag))) }
    }

    fn close(&mut self) -> Result<(), Malformed> {
        if self.next()? == Next::Close {
            Ok(())
        } else {
            Err(Malformed::NotXmlRpc("an element has more in it than it may"))
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        if self.next()? == Next::End {
            Ok(())
        } else {
            Err(Malformed::NotXmlRpc("something follows its end"))
        }
    }

    /// Whether another element of a list opens, or the list closes.
    fn another(&mut self, tag: Tag) -> Result<bool, Malformed> {
        match self.next()? {
            Next::Open(found) if found == tag => Ok(true),
            Next::Close => Ok(false),
            Next::Open(_) | Next::End => Err(Malformed::NotXmlRpc(expected(tag))),
        }
    }

    fn next(&mut self) -> Result<Next, Malformed> {
        self.text.clear();
        loop {
            match self.xml.read_event()? {
                Event::Start(start) => {
                    let tag = Tag::parse(&start);
                    return tag.map(Next::Open).ok_or(Malformed::NotXmlRpc("an element is unknown"));
                }
                Event::End(_) => return Ok(Next::Close),
                Event::Text(text) => self.text.push_str(&text.xml10_content()),
                Event::CData(text) => self.text.push_str(&text.xml10_content()),
                Event::GeneralRef(reference) => self.text.push(character(&reference)?),
                Event::DocType(_) => return Err(Malformed::NotXmlRpc("it declares a document type")),
                Event::Eof => return Ok(Next::End),
                // Empty elements come as a start and an end.
                Event::Empty(_) | Event::Decl(_) | Event::PI(_) | Event::Comment(_) => (),
            }
        }
    }
}

fn expected(tag: Tag) -> &'static str {
    match tag {
        Tag::MethodCall => "it is no call",
        Tag::MethodName => "a call begins with the name of its method",
        Tag::MethodResponse => "it is no answer",
        Tag::Param => "params have a param each",
        Tag::Value => "a value is missing",
        Tag::Data => "an array has data",
        Tag::Member | Tag::Name => "a struct has members, and each a name and a value",
        Tag::Params
        | Tag::Fault
        | Tag::Array
        | Tag::Struct
        | Tag::Int
        | Tag::Bool
        | Tag::String
        | Tag::Double
        | Tag::DateTime
        | Tag::Bytes
        | Tag::Nil => "an element is where it may not be",
    }
}

/// The character that a reference stands for; a document has no entities of its own.
fn character(reference: &BytesRef<'_>) -> Result<char, Malformed> {
    if let Some(character) = reference.resolve_char_ref()? {
        return Ok(character);
    }
    match &**reference {
        "lt" => Ok('<'),
        "gt" => Ok('>'),
        "amp" => Ok('&'),
        "apos" => Ok('\''),
        "quot" => Ok('"'),
        _ => Err(Malformed::NotXmlRpc("an entity is unknown")),
    }
}

fn scalar(tag: Tag, text: String) -> Result<Value, Malformed> {
    let bad = |kind| Malformed::BadValue { kind, text: text.chars().take(80).collect() };
    let word = text.trim();
    match tag {
        Tag::String => Ok(Value::String(text)),
        Tag::DateTime => Ok(Value::DateTime(word.to_owned())),
        Tag::Nil => Ok(Value::Nil),
        Tag::Int => word.parse().map(Value::Int).map_err(|_| bad("a whole number")),
        Tag::Double => word.parse().map(Value::Double).map_err(|_| bad("a number")),
        Tag::Bool => match word {
            "1" => Ok(Value::Bool(true)),
            "0" => Ok(Value::Bool(false)),
            _ => Err(bad("a boolean")),
        },
        Tag::Bytes => {
            let packed: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
            STANDARD.decode(packed).map(Value::Bytes).map_err(|_| bad("base64"))
        }
        Tag::MethodCall
        | Tag::MethodName
        | Tag::MethodResponse
        | Tag::Params
        | Tag::Param
        | Tag::Fault
        | Tag::Value
        | Tag::Array
        | Tag::Data
        | Tag::Struct
        | Tag::Member
        | Tag::Name => Err(Malformed::NotXmlRpc(expected(tag))),
    }
}

fn fault(value: &Value) -> Result<Fault, Malformed> {
    let code = value.member("faultCode").and_then(Value::as_int);
    let text = value.member("faultString").and_then(Value::as_str);
    match (code, text) {
        (Some(code), Some(text)) => Ok(Fault { code, text: text.to_owned() }),
        (Some(_) | None, _) => Err(Malformed::NotXmlRpc("a fault has a code and a string")),
    }
}
