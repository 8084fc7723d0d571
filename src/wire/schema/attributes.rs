//! Tables of `common.proto` and `resource.proto`.

use super::{Counter, Kind, Message, either, many, one};

pub(in crate::wire) static RESOURCE: Message = Message::new(&[
    many(1, "attributes", Kind::Message(&KEY_VALUE)),
    one(2, "droppedAttributesCount", Kind::Uint32),
    many(3, "entityRefs", Kind::Message(&ENTITY_REF)),
]);
pub(in crate::wire) static ENTITY_REF: Message = Message::new(&[
    one(1, "schemaUrl", Kind::String),
    one(2, "type", Kind::String),
    many(3, "idKeys", Kind::String),
    many(4, "descriptionKeys", Kind::String),
]);
pub(in crate::wire) static SCOPE: Message = Message::new(&[
    one(1, "name", Kind::String),
    one(2, "version", Kind::String),
    many(3, "attributes", Kind::Message(&KEY_VALUE)),
    one(4, "droppedAttributesCount", Kind::Uint32),
]);

/// `KeyValue`.
pub(in crate::wire) static KEY_VALUE: Message = Message::counted(
    Counter::Attribute,
    &[one(1, "key", Kind::String), one(2, "value", Kind::Message(&ANY_VALUE)), one(3, "keyStrindex", Kind::Int32)],
);
pub(in crate::wire) static ANY_VALUE: Message = Message::new(&[
    either(1, "stringValue", Kind::String),
    either(2, "boolValue", Kind::Bool),
    either(3, "intValue", Kind::Int64),
    either(4, "doubleValue", Kind::Double),
    either(5, "arrayValue", Kind::Message(&ARRAY_VALUE)),
    either(6, "kvlistValue", Kind::Message(&KEY_VALUE_LIST)),
    either(7, "bytesValue", Kind::Bytes),
    either(8, "stringValueStrindex", Kind::Int32),
]);
pub(in crate::wire) static ARRAY_VALUE: Message = Message::new(&[many(1, "values", Kind::Message(&ANY_VALUE))]);
pub(in crate::wire) static KEY_VALUE_LIST: Message = Message::new(&[many(1, "values", Kind::Message(&KEY_VALUE))]);
