//! Borrowed views: a span, its scope, its resource and their attributes, read lazily from the
//! bytes of a request that the scan has accepted. Nothing is decoded before it is asked for.

use std::borrow::Cow;

use super::{Cursor, Field, Index, Piece, Request, Signal, SpanId, TraceId, UnixNanos};

/// One span of a request.
#[derive(Clone, Copy, Debug)]
pub struct SpanView<'a> {
    request: &'a Request,
    row: u32,
}

/// The instrumentation scope of a span: `name`, `version` and attributes.
#[derive(Clone, Copy, Debug)]
pub struct ScopeView<'a> {
    body: &'a [u8],
    pieces: &'a [Piece],
}

/// The resource of a span.
#[derive(Clone, Copy, Debug)]
pub struct ResourceView<'a> {
    body: &'a [u8],
    pieces: &'a [Piece],
}

/// One attribute: key and value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AttributeView<'a> {
    /// The key's bytes; valid UTF-8 is not promised.
    pub key: &'a [u8],
    /// The value.
    pub value: ValueView<'a>,
}

/// An `AnyValue`, not yet decoded where it nests.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum ValueView<'a> {
    /// No value was set.
    Empty,
    /// Text; valid UTF-8 is not promised.
    String(&'a [u8]),
    /// A bool.
    Bool(bool),
    /// A 64-bit integer.
    Int(i64),
    /// A double.
    Double(f64),
    /// The `ArrayValue` message.
    Array(&'a [u8]),
    /// The `KeyValueList` message.
    Map(&'a [u8]),
    /// Bytes.
    Bytes(&'a [u8]),
}

/// Iterator over the attributes in one or more messages.
#[derive(Clone, Debug)]
pub struct Attributes<'a> {
    body: &'a [u8],
    pieces: std::slice::Iter<'a, Piece>,
    /// Number of the field that wraps the attributes' owner in a piece; 0 when there is none.
    wrapper: u32,
    /// Number of the attributes field.
    number: u32,
    cursor: Cursor<'a>,
}

impl<'a> SpanView<'a> {
    /// The span in a row of a traces request; `None` for other signals and rows out of range.
    ///
    /// A request that waits without columns serves as well: what they hold is then read from the
    /// span's message.
    pub fn new(request: &'a Request, row: u32) -> Option<Self> {
        let index = request.index();
        (index.signal == Signal::Traces && row < index.rows()).then_some(Self { request, row })
    }

    fn index(&self) -> &'a Index {
        self.request.index()
    }

    fn columns(&self) -> Option<&'a super::SpanColumns> {
        self.index().spans.as_ref()
    }

    /// The span's message.
    pub fn bytes(&self) -> &'a [u8] {
        self.index().item(self.row).of(self.request.body())
    }

    /// Row in the request.
    pub fn row(&self) -> u32 {
        self.row
    }

    /// Trace id.
    pub fn trace_id(&self) -> TraceId {
        match self.columns() {
            Some(columns) => columns.trace_id(self.row),
            None => TraceId(id_bytes(self.bytes(), 1)),
        }
    }

    /// Span id.
    pub fn span_id(&self) -> SpanId {
        match self.columns() {
            Some(columns) => columns.span_id(self.row),
            None => SpanId(id_bytes(self.bytes(), 2)),
        }
    }

    /// Parent's span id.
    pub fn parent_span_id(&self) -> SpanId {
        match self.columns() {
            Some(columns) => columns.parent_span_id(self.row),
            None => SpanId(id_bytes(self.bytes(), 4)),
        }
    }

    /// Start and end.
    pub fn times(&self) -> (UnixNanos, UnixNanos) {
        match self.columns() {
            Some(columns) => columns.times(self.row),
            None => (self.start(), self.end()),
        }
    }

    /// Start.
    pub fn start(&self) -> UnixNanos {
        match self.columns() {
            Some(columns) => columns.times(self.row).0,
            None => UnixNanos(last_number(self.bytes(), 7).unwrap_or(0)),
        }
    }

    /// End.
    pub fn end(&self) -> UnixNanos {
        match self.columns() {
            Some(columns) => columns.times(self.row).1,
            None => UnixNanos(last_number(self.bytes(), 8).unwrap_or(0)),
        }
    }

    /// Name as it stands on the wire; valid UTF-8 is not promised.
    pub fn name_bytes(&self) -> &'a [u8] {
        let Some(columns) = self.columns() else { return last_bytes(self.bytes(), 5).unwrap_or_default() };
        let (offset, length) = (columns.name_offset[self.row as usize], columns.name_length[self.row as usize]);
        Piece { offset, length }.of(self.request.body())
    }

    /// Name; bytes that are not UTF-8 are replaced.
    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(self.name_bytes())
    }

    /// `SpanKind` as its number.
    pub fn kind(&self) -> i32 {
        last_number(self.bytes(), 6).unwrap_or(0) as i32
    }

    /// W3C flags and OTLP's extra bits.
    pub fn flags(&self) -> u32 {
        match self.columns() {
            Some(columns) => columns.flags[self.row as usize],
            None => last_number(self.bytes(), 16).unwrap_or(0) as u32,
        }
    }

    /// `Status.code` as its number.
    pub fn status_code(&self) -> i32 {
        merged_numbers(self.bytes(), 15, 3).unwrap_or(0) as i32
    }

    /// W3C `tracestate`; the last one, as protobuf merges.
    pub fn trace_state(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(last_bytes(self.bytes(), 3).unwrap_or_default())
    }

    /// Span attributes in the order of the wire.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of_message(self.bytes(), 9)
    }

    /// The scope that the span was sent under.
    pub fn scope(&self) -> ScopeView<'a> {
        let scope = self.index().items.scope[self.row as usize];
        ScopeView { body: self.request.body(), pieces: self.index().scope_pieces(scope) }
    }

    /// The resource that the span was sent under.
    pub fn resource(&self) -> ResourceView<'a> {
        let scope = self.index().items.scope[self.row as usize];
        let resource = self.index().scopes[scope as usize].resource;
        ResourceView { body: self.request.body(), pieces: self.index().resource_pieces(resource) }
    }
}

impl<'a> ScopeView<'a> {
    /// Name of the instrumentation scope.
    pub fn name(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(wrapped_bytes(self.body, self.pieces, 1, 1))
    }

    /// Version of the instrumentation scope.
    pub fn version(&self) -> Cow<'a, str> {
        String::from_utf8_lossy(wrapped_bytes(self.body, self.pieces, 1, 2))
    }

    /// Attributes of the scope.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of_pieces(self.body, self.pieces, 1, 3)
    }

    /// How many attributes the SDK left out.
    pub fn dropped_attributes_count(&self) -> u32 {
        wrapped_number(self.body, self.pieces, 1, 4)
    }

    /// Schema of the scope's spans.
    pub fn schema_url(&self) -> &'a [u8] {
        piece_bytes(self.body, self.pieces, 3)
    }
}

impl<'a> ResourceView<'a> {
    /// Attributes of the resource.
    pub fn attributes(&self) -> Attributes<'a> {
        Attributes::of_pieces(self.body, self.pieces, 1, 1)
    }

    /// How many attributes the SDK left out.
    pub fn dropped_attributes_count(&self) -> u32 {
        wrapped_number(self.body, self.pieces, 1, 2)
    }

    /// Schema of the resource.
    pub fn schema_url(&self) -> &'a [u8] {
        piece_bytes(self.body, self.pieces, 3)
    }
}

impl<'a> Attributes<'a> {
    /// Attributes in field `number` of a message.
    pub fn of_message(message: &'a [u8], number: u32) -> Self {
        Self { body: message, pieces: [].iter(), wrapper: 0, number, cursor: Cursor::new(message) }
    }

    fn of_pieces(body: &'a [u8], pieces: &'a [Piece], wrapper: u32, number: u32) -> Self {
        Self { body, pieces: pieces.iter(), wrapper, number, cursor: Cursor::new(&[]) }
    }

    /// The first attribute with this key.
    pub fn find_key(mut self, key: &str) -> Option<ValueView<'a>> {
        self.find(|attribute| attribute.key == key.as_bytes()).map(|attribute| attribute.value)
    }
}

impl<'a> Iterator for Attributes<'a> {
    type Item = AttributeView<'a>;

    fn next(&mut self) -> Option<AttributeView<'a>> {
        loop {
            match self.cursor.next_field() {
                Some((number, Field::Length(message))) if number == self.number => {
                    return Some(AttributeView::decode(message));
                }
                Some(_) => {}
                None => {
                    let piece = self.pieces.next()?.of(self.body);
                    let mut outer = Cursor::new(piece);
                    self.cursor = match outer.next_field() {
                        Some((number, Field::Length(message))) if number == self.wrapper => Cursor::new(message),
                        _ => Cursor::new(&[]),
                    };
                }
            }
        }
    }
}

impl<'a> AttributeView<'a> {
    /// Reads a `KeyValue` message.
    pub fn decode(message: &'a [u8]) -> Self {
        let mut attribute = Self { key: b"", value: ValueView::Empty };
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next_field() {
            match (number, field) {
                (1, Field::Length(key)) => attribute.key = key,
                (2, Field::Length(value)) => attribute.value = attribute.value.merged(value),
                _ => {}
            }
        }
        attribute
    }
}

impl<'a> ValueView<'a> {
    /// Reads an `AnyValue` message; the last set value wins. An array or map that stands twice is
    /// the last one, as the Collector reads it.
    pub fn decode(message: &'a [u8]) -> Self {
        Self::Empty.merged(message)
    }

    /// This value, or the last one that is set in an `AnyValue` message.
    fn merged(self, message: &'a [u8]) -> Self {
        let mut value = self;
        let mut cursor = Cursor::new(message);
        while let Some((number, field)) = cursor.next_field() {
            value = match (number, field) {
                (1, Field::Length(text)) => Self::String(text),
                (2, Field::Varint(flag)) => Self::Bool(flag != 0),
                (3, Field::Varint(int)) => Self::Int(int.cast_signed()),
                (4, Field::Fixed64(bits)) => Self::Double(f64::from_bits(bits)),
                (5, Field::Length(array)) => Self::Array(array),
                (6, Field::Length(map)) => Self::Map(map),
                (7, Field::Length(bytes)) => Self::Bytes(bytes),
                // An index into the string table of profiles, which other signals do not have.
                (8, Field::Varint(_)) => Self::Empty,
                _ => value,
            };
        }
        value
    }

    /// Values of an `ArrayValue` message, for [`ValueView::Array`].
    pub fn array_items(message: &'a [u8]) -> impl Iterator<Item = Self> {
        let mut cursor = Cursor::new(message);
        std::iter::from_fn(move || {
            loop {
                match cursor.next_field()? {
                    (1, Field::Length(value)) => return Some(Self::decode(value)),
                    _ => continue,
                }
            }
        })
    }

    /// The text, when the value is text.
    pub fn as_text(&self) -> Option<Cow<'a, str>> {
        match self {
            Self::String(text) => Some(String::from_utf8_lossy(text)),
            _ => None,
        }
    }
}

/// The last field `wanted` that holds bytes, as protobuf merges.
fn last_bytes(message: &[u8], wanted: u32) -> Option<&[u8]> {
    let mut cursor = Cursor::new(message);
    let mut last = None;
    while let Some((number, field)) = cursor.next_field() {
        if let (true, Field::Length(bytes)) = (number == wanted, field) {
            last = Some(bytes);
        }
    }
    last
}

/// An id of exactly `N` bytes; zero when it is absent or of another length, as the scan reads it.
fn id_bytes<const N: usize>(message: &[u8], number: u32) -> [u8; N] {
    last_bytes(message, number).and_then(|bytes| bytes.try_into().ok()).unwrap_or([0; N])
}

/// The last field `wanted` that holds a number of any width.
fn last_number(message: &[u8], wanted: u32) -> Option<u64> {
    let mut cursor = Cursor::new(message);
    let mut last = None;
    while let Some((number, field)) = cursor.next_field() {
        if number == wanted {
            last = match field {
                Field::Varint(value) | Field::Fixed64(value) => Some(value),
                Field::Fixed32(value) => Some(value.into()),
                _ => last,
            };
        }
    }
    last
}

/// The last number `inner` over all messages in field `outer`, as protobuf merges them.
fn merged_numbers(message: &[u8], outer: u32, inner: u32) -> Option<u64> {
    let mut cursor = Cursor::new(message);
    let mut last = None;
    while let Some((number, field)) = cursor.next_field() {
        if let (true, Field::Length(bytes)) = (number == outer, field) {
            last = last_number(bytes, inner).or(last);
        }
    }
    last
}

fn wrapped_bytes<'a>(body: &'a [u8], pieces: &[Piece], wrapper: u32, wanted: u32) -> &'a [u8] {
    let mut last: &[u8] = b"";
    for piece in pieces {
        if let Some((number, Field::Length(message))) = Cursor::new(piece.of(body)).next_field()
            && number == wrapper
        {
            last = last_bytes(message, wanted).unwrap_or(last);
        }
    }
    last
}

/// The last number `wanted` over all messages in the pieces of field `wrapper`.
fn wrapped_number(body: &[u8], pieces: &[Piece], wrapper: u32, wanted: u32) -> u32 {
    pieces.iter().filter_map(|piece| merged_numbers(piece.of(body), wrapper, wanted)).next_back().unwrap_or(0) as u32
}

/// The bytes of the last piece that is field `wanted`.
fn piece_bytes<'a>(body: &'a [u8], pieces: &[Piece], wanted: u32) -> &'a [u8] {
    pieces.iter().filter_map(|piece| last_bytes(piece.of(body), wanted)).next_back().unwrap_or_default()
}
