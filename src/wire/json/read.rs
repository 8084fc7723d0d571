//! OTLP/JSON to protobuf bytes, driven by the table of messages.

use base64::Engine;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

use super::{JsonError, Lexer};
use crate::model::{SpanId, TraceId, put_varint, varint_len};
use crate::wire::schema::{Field, Id, Kind, Label, Message};

/// Objects and arrays that may stand inside each other where their content is read.
const DEPTH_MAX: u32 = 64;

/// Standard base64, with or without padding.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads one message.
pub(super) struct Reader<'a> {
    lexer: Lexer<'a>,
    out: Vec<u8>,
}

/// A number as protobuf writes it.
enum Number {
    Varint(u64),
    Fixed32(u32),
    Fixed64(u64),
}

impl<'a> Reader<'a> {
    pub(super) fn new(lexer: Lexer<'a>) -> Self {
        Self { lexer, out: Vec::new() }
    }

    /// The whole text as one message; `null` is an empty one.
    pub(super) fn read(mut self, schema: &Message) -> Result<Vec<u8>, JsonError> {
        self.message(schema, DEPTH_MAX)?;
        if self.lexer.is_at_end() { Ok(self.out) } else { Err(self.lexer.error("text after the message")) }
    }

    fn message(&mut self, schema: &Message, depth: u32) -> Result<(), JsonError> {
        if self.lexer.null()? {
            return Ok(());
        }
        let inner = self.deeper(depth)?;
        self.lexer.expect(b'{', "an object")?;
        if self.lexer.take(b'}') {
            return Ok(());
        }
        loop {
            let key = self.lexer.string()?;
            self.lexer.expect(b':', "a colon")?;
            match named(schema, &key) {
                Some(field) => self.member(field, inner)?,
                None => self.lexer.skip()?,
            }
            if !self.lexer.more(b'}')? {
                return Ok(());
            }
        }
    }

    fn deeper(&self, depth: u32) -> Result<u32, JsonError> {
        depth.checked_sub(1).ok_or_else(|| self.lexer.error("objects and arrays are nested more than 64 deep"))
    }

    fn member(&mut self, field: &Field, depth: u32) -> Result<(), JsonError> {
        if self.lexer.null()? {
            return Ok(());
        }
        if field.label != Label::Repeated {
            return self.value(field, depth);
        }
        let inner = self.deeper(depth)?;
        self.lexer.expect(b'[', "an array")?;
        if self.lexer.take(b']') {
            return Ok(());
        }
        if !matches!(field.kind, Kind::Message(_) | Kind::String | Kind::Bytes | Kind::Id(_)) {
            return self.nested(field.number, |reader| reader.packed(field.kind));
        }
        loop {
            self.value(field, inner)?;
            if !self.lexer.more(b']')? {
                return Ok(());
            }
        }
    }

    /// The rest of an array of numbers, without tags.
    fn packed(&mut self, kind: Kind) -> Result<(), JsonError> {
        loop {
            match self.number(kind)? {
                Number::Varint(value) => put_varint(&mut self.out, value),
                Number::Fixed32(value) => self.out.extend_from_slice(&value.to_le_bytes()),
                Number::Fixed64(value) => self.out.extend_from_slice(&value.to_le_bytes()),
            }
            if !self.lexer.more(b']')? {
                return Ok(());
            }
        }
    }

    /// One value with its tag; a default that says nothing is left out.
    fn value(&mut self, field: &Field, depth: u32) -> Result<(), JsonError> {
        let writes_default = field.label != Label::Singular;
        match field.kind {
            Kind::Message(schema) => return self.nested(field.number, |reader| reader.message(schema, depth)),
            Kind::String => {
                let text = self.text()?;
                self.put_bytes(field.number, &text, writes_default);
            }
            Kind::Bytes => {
                let text = self.text()?;
                let bytes = BASE64.decode(text).map_err(|error| self.lexer.error(format_args!("base64: {error}")))?;
                self.put_bytes(field.number, &bytes, writes_default);
            }
            Kind::Id(id) => {
                let text = self.text()?;
                self.id(field.number, id, &text)?;
            }
            kind => match self.number(kind)? {
                Number::Varint(0) | Number::Fixed32(0) | Number::Fixed64(0) if !writes_default => {}
                Number::Varint(value) => {
                    self.put_tag(field.number, 0);
                    put_varint(&mut self.out, value);
                }
                Number::Fixed32(value) => {
                    self.put_tag(field.number, 5);
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
                Number::Fixed64(value) => {
                    self.put_tag(field.number, 1);
                    self.out.extend_from_slice(&value.to_le_bytes());
                }
            },
        }
        Ok(())
    }

    /// Text; `null` is none, which matters in arrays only.
    fn text(&mut self) -> Result<std::borrow::Cow<'a, [u8]>, JsonError> {
        if self.lexer.null()? { Ok(Default::default()) } else { self.lexer.string() }
    }

    fn id(&mut self, number: u8, id: Id, hex: &[u8]) -> Result<(), JsonError> {
        if hex.is_empty() {
            return Ok(());
        }
        let hex = std::str::from_utf8(hex).unwrap_or("?");
        let wrong = |error| self.lexer.error(format_args!("{}: {error}", id.name()));
        match id {
            Id::Trace => {
                let id = TraceId::parse(hex).map_err(wrong)?;
                self.put_bytes(number, &id.0, true);
            }
            Id::Span | Id::Parent => {
                let id = SpanId::parse(hex).map_err(wrong)?;
                self.put_bytes(number, &id.0, true);
            }
        }
        Ok(())
    }

    fn number(&mut self, kind: Kind) -> Result<Number, JsonError> {
        if self.lexer.null()? {
            return Ok(match kind {
                Kind::Fixed32 => Number::Fixed32(0),
                Kind::Fixed64 | Kind::Sfixed64 | Kind::Double => Number::Fixed64(0),
                _ => Number::Varint(0),
            });
        }
        let sign_extended = |value: i32| i64::from(value).cast_unsigned();
        Ok(match kind {
            Kind::Bool => Number::Varint(self.lexer.boolean()?.into()),
            Kind::Int32 => Number::Varint(sign_extended(self.integer()?)),
            Kind::Uint32 => Number::Varint(self.integer::<u32>()?.into()),
            Kind::Sint32 => {
                let value = self.integer::<i32>()?;
                Number::Varint(((value << 1) ^ (value >> 31)).cast_unsigned().into())
            }
            Kind::Int64 => Number::Varint(self.integer::<i64>()?.cast_unsigned()),
            Kind::Uint64 => Number::Varint(self.integer()?),
            Kind::Fixed32 => Number::Fixed32(self.integer()?),
            Kind::Fixed64 => Number::Fixed64(self.integer()?),
            Kind::Sfixed64 => Number::Fixed64(self.integer::<i64>()?.cast_unsigned()),
            Kind::Double => Number::Fixed64(self.double()?.to_bits()),
            Kind::Enum(names) => Number::Varint(sign_extended(self.enumeration(names)?)),
            Kind::String | Kind::Bytes | Kind::Id(_) | Kind::Message(_) => {
                return Err(self.lexer.error("expected a number"));
            }
        })
    }

    /// An integer as a number or as text; a fraction or an exponent is refused, as the Collector
    /// does.
    fn integer<T: std::str::FromStr>(&mut self) -> Result<T, JsonError> {
        let parsed = if self.lexer.peek() == b'"' {
            let text = self.lexer.string()?;
            std::str::from_utf8(&text).ok().and_then(|text| text.parse().ok())
        } else {
            self.lexer.number()?.parse().ok()
        };
        parsed.ok_or_else(|| self.lexer.error("not an integer of this field's range"))
    }

    fn enumeration(&mut self, names: &[(&str, i32)]) -> Result<i32, JsonError> {
        if self.lexer.peek() != b'"' {
            return self.integer();
        }
        let name = self.lexer.string()?;
        let known = names.iter().find(|(known, _)| known.as_bytes() == &*name);
        known.map(|(_, number)| *number).ok_or_else(|| self.lexer.error("unknown name of an enum"))
    }

    /// A double as a number, or as text such as `NaN` and `-Infinity`.
    fn double(&mut self) -> Result<f64, JsonError> {
        let (parsed, may_be_infinite) = if self.lexer.peek() == b'"' {
            let text = self.lexer.string()?;
            let text = std::str::from_utf8(&text).unwrap_or("?");
            (text.parse::<f64>().ok(), text.to_ascii_lowercase().contains("inf"))
        } else {
            (self.lexer.number()?.parse::<f64>().ok(), false)
        };
        let parsed = parsed.filter(|value| may_be_infinite || !value.is_infinite());
        parsed.ok_or_else(|| self.lexer.error("not a double"))
    }

    /// Writes tag and length around what `content` writes.
    fn nested(
        &mut self,
        number: u8,
        content: impl FnOnce(&mut Self) -> Result<(), JsonError>,
    ) -> Result<(), JsonError> {
        self.put_tag(number, 2);
        let at = self.out.len();
        self.out.push(0);
        content(self)?;
        let mut length = (self.out.len() - at - 1) as u64;
        // One byte was kept free for the length; a longer one moves the content.
        let more = varint_len(length) - 1;
        if more > 0 {
            let end = self.out.len();
            self.out.resize(end + more, 0);
            self.out.copy_within(at + 1..end, at + 1 + more);
        }
        for byte in &mut self.out[at..=at + more] {
            *byte = length as u8 | 0x80;
            length >>= 7;
        }
        self.out[at + more] &= 0x7f;
        Ok(())
    }

    fn put_tag(&mut self, number: u8, wire_type: u8) {
        put_varint(&mut self.out, u64::from(number) << 3 | u64::from(wire_type));
    }

    fn put_bytes(&mut self, number: u8, bytes: &[u8], writes_default: bool) {
        if writes_default || !bytes.is_empty() {
            self.put_tag(number, 2);
            put_varint(&mut self.out, bytes.len() as u64);
            self.out.extend_from_slice(bytes);
        }
    }
}

/// The field with this name in camelCase or snake_case.
fn named(schema: &Message, key: &[u8]) -> Option<&'static Field> {
    let exact = schema.fields.iter().find(|field| field.name.as_bytes() == key);
    exact.or_else(|| {
        let is_snake = key.contains(&b'_');
        schema.fields.iter().find(|field| is_snake && is_snake_case_of(field.name, key))
    })
}

/// Whether `key` is the camelCase `name` in snake_case.
fn is_snake_case_of(name: &str, key: &[u8]) -> bool {
    let mut key = key.iter();
    let same = name.bytes().all(|byte| {
        let is_word_start = byte.is_ascii_uppercase();
        (!is_word_start || key.next() == Some(&b'_')) && key.next() == Some(&byte.to_ascii_lowercase())
    });
    same && key.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::schema::SPAN;

    #[test]
    fn a_key_is_known_in_camel_case_and_in_snake_case() {
        let field = |key: &[u8]| named(&SPAN, key).map(|field| field.number);
        assert_eq!(field(b"startTimeUnixNano"), Some(7));
        assert_eq!(field(b"start_time_unix_nano"), Some(7));
        assert_eq!(field(b"flags"), Some(16));
        for other in ["start_timeUnixNano", "starttimeunixnano", "start_time_unix_nano_", "StartTimeUnixNano", "_", ""]
        {
            assert_eq!(field(other.as_bytes()), None);
        }
    }
}
