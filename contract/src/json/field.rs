//! One JSON value under one field name, and the lenient ways to read it (contract.md 3).

use std::collections::BTreeMap;
use std::fmt;

use serde_json::{Number, Value};

use super::{NESTING_MAX, ParseError, Warnings};

/// A message that takes its fields one by one. Unknown names are left alone.
pub(super) trait Message: Default {
    fn set(&mut self, name: &str, field: Field<'_>) -> Result<(), ParseError>;
}

/// A value, where it stands, and where oddities go. Never `null`, but for map values and elements.
pub(super) struct Field<'a> {
    value: Value,
    at: At<'a>,
    warnings: &'a mut Warnings,
}

impl<'a> Field<'a> {
    pub(super) fn root(value: Value, warnings: &'a mut Warnings) -> Self {
        Self { value, at: At { parent: None, step: Step::Root, depth: 0 }, warnings }
    }

    pub(super) fn message<M: Message>(self) -> Result<M, ParseError> {
        let Value::Object(members) = self.value else {
            return Err(self
                .at
                .error(format_args!("expected an object, found {}", kind(&self.value))));
        };
        if self.at.depth > NESTING_MAX {
            return Err(self.at.error(format_args!("messages nest deeper than {NESTING_MAX}")));
        }
        let mut message = M::default();
        for (name, value) in members {
            if value.is_null() {
                continue;
            }
            let at =
                At { parent: Some(&self.at), step: Step::Name(&name), depth: self.at.depth + 1 };
            message.set(&name, Field { value, at, warnings: &mut *self.warnings })?;
        }
        Ok(message)
    }

    /// A member of a oneof whose present state is `slot`.
    pub(super) fn oneof<T>(
        self,
        slot: &mut Option<T>,
        read: impl FnOnce(Self) -> Result<T, ParseError>,
    ) -> Result<(), ParseError> {
        if slot.is_some() {
            return Err(self.at.error("another member of the same oneof is set as well"));
        }
        *slot = Some(read(self)?);
        Ok(())
    }

    pub(super) fn messages<M: Message>(self) -> Result<Vec<M>, ParseError> {
        self.elements(|field| field.message())
    }

    pub(super) fn strings(self) -> Result<Vec<String>, ParseError> {
        self.elements(|field| field.string())
    }

    fn elements<T>(
        self,
        read: impl Fn(Field<'_>) -> Result<T, ParseError>,
    ) -> Result<Vec<T>, ParseError> {
        let Value::Array(values) = self.value else {
            return Err(self
                .at
                .error(format_args!("expected an array, found {}", kind(&self.value))));
        };
        let mut elements = Vec::with_capacity(values.len());
        for (index, value) in values.into_iter().enumerate() {
            // An element stands no deeper than its array: only messages count.
            let at = At { parent: Some(&self.at), step: Step::Index(index), depth: self.at.depth };
            if value.is_null() {
                return Err(at.error("null cannot be an element of a list"));
            }
            elements.push(read(Field { value, at, warnings: &mut *self.warnings })?);
        }
        Ok(elements)
    }

    pub(super) fn string_map(self) -> Result<BTreeMap<String, String>, ParseError> {
        let Value::Object(members) = self.value else {
            return Err(self
                .at
                .error(format_args!("expected an object, found {}", kind(&self.value))));
        };
        let mut map = BTreeMap::new();
        for (name, value) in members {
            let at = At { parent: Some(&self.at), step: Step::Name(&name), depth: self.at.depth };
            let text = Field { value, at, warnings: &mut *self.warnings }.string()?;
            map.insert(name, text);
        }
        Ok(map)
    }

    /// A string. Numbers and booleans are taken as their text, as the Java reader does.
    pub(super) fn string(self) -> Result<String, ParseError> {
        match self.value {
            Value::String(text) => Ok(text),
            Value::Number(number) => Ok(number.to_string()),
            Value::Bool(value) => Ok(value.to_string()),
            other => Err(self.at.error(format_args!("expected a string, found {}", kind(&other)))),
        }
    }

    pub(super) fn bool(self) -> Result<bool, ParseError> {
        match &self.value {
            Value::Bool(value) => Ok(*value),
            Value::String(text) if text == "true" => Ok(true),
            Value::String(text) if text == "false" => Ok(false),
            other => {
                Err(self.at.error(format_args!("expected true or false, found {}", shown(other))))
            }
        }
    }

    /// A whole number that fits `T`, given as number or string; `3.0` and `3e0` are whole.
    pub(super) fn integer<T: TryFrom<i128>>(self) -> Result<T, ParseError> {
        integer(&self.value).map_err(|reason| self.at.error(reason))
    }

    /// The number of an enum value. An unknown name is as if the field were not there, with a
    /// warning; an unknown number is kept for the model to judge.
    pub(super) fn enumeration<E: Into<i32>>(
        self,
        by_name: impl FnOnce(&str) -> Option<E>,
    ) -> Result<i32, ParseError> {
        let named = match &self.value {
            Value::String(name) => by_name(name).map(Into::into),
            Value::Array(_) | Value::Object(_) => {
                let found = kind(&self.value);
                return Err(self.at.error(format_args!("expected an enum, found {found}")));
            }
            _ => None,
        };
        if let Some(number) = named.or_else(|| integer::<i32>(&self.value).ok()) {
            return Ok(number);
        }
        let found = shown(&self.value);
        self.warnings
            .push(&self.at, format_args!("{found} is not known here, the default is used"));
        Ok(0)
    }
}

fn integer<T: TryFrom<i128>>(value: &Value) -> Result<T, String> {
    let whole = match value {
        Value::Number(number) => whole_number(number),
        Value::String(text) => whole_text(text),
        other => return Err(format!("expected a number, found {}", kind(other))),
    };
    let whole = whole.ok_or_else(|| format!("expected a whole number, found {}", shown(value)))?;
    T::try_from(whole).map_err(|_| format!("{} is out of range", shown(value)))
}

fn whole_number(number: &Number) -> Option<i128> {
    let exact = number.as_u64().map(i128::from).or_else(|| number.as_i64().map(i128::from));
    exact.or_else(|| number.as_f64().and_then(whole_float))
}

fn whole_text(text: &str) -> Option<i128> {
    text.parse().ok().or_else(|| text.parse().ok().and_then(whole_float))
}

fn whole_float(float: f64) -> Option<i128> {
    // Infinite and not-a-number have no zero fraction. The cast saturates far outside of any type
    // of the contract, so what is too large stays too large.
    (float.fract() == 0.0).then_some(float as i128)
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

/// A scalar as a person would recognise it. A contract is read from anywhere, so a string in the wrong place may be a
/// secret: of strings only what looks like a number or like an enum's name is shown, and nothing long.
pub(crate) fn shown_text(text: &str) -> String {
    const SHOWN_MAX: usize = 40;
    let number = |byte: u8| byte.is_ascii_digit() || b"+-.eE".contains(&byte);
    let name = |byte: u8| byte.is_ascii_uppercase() || byte == b'_';
    let plain = text.bytes().all(number) || text.bytes().all(name);
    if plain && text.len() <= SHOWN_MAX {
        format!("{text:?}")
    } else {
        format!("a string of {} bytes", text.len())
    }
}

fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => shown_text(text),
        Value::Number(number) => number.to_string(),
        Value::Bool(value) => value.to_string(),
        other => kind(other).to_owned(),
    }
}

/// The way from the contract to a value, kept on the stack: text is only made for a message.
pub(super) struct At<'a> {
    parent: Option<&'a At<'a>>,
    step: Step<'a>,
    /// Messages above this value.
    depth: usize,
}

enum Step<'a> {
    Root,
    Name(&'a str),
    Index(usize),
}

impl fmt::Display for At<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // Names of fields are short, keys of maps are anybody's.
        const NAME_BYTES_MAX: usize = 40;
        let Some(parent) = self.parent else { return f.write_str("$") };
        let below_root = matches!(parent.step, Step::Root);
        if !below_root {
            parent.fmt(f)?;
        }
        match self.step {
            Step::Root => Ok(()),
            Step::Name(name) if name.len() > NAME_BYTES_MAX => {
                write!(f, ".(a name of {} bytes)", name.len())
            }
            Step::Name(name) if below_root => f.write_str(name),
            Step::Name(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        }
    }
}
