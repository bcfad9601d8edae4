//! Which types the fields of a footer have. A decoder that goes by the numbers of fields alone reads a value as what the format says,
//! whatever type the footer declares for it: one that declares another would be looked over as one thing and decoded as another.
//!
//! Source: `parquet.thrift` of the Parquet format.

use super::{BINARY, BYTE, DOUBLE, FALSE, I16, I32, I64, LIST, STRUCT, TRUE};

/// What a value is.
#[derive(Clone, Copy)]
pub(in super::super) enum Shape {
    /// A value of this type of the protocol.
    Plain(u8),
    Truth,
    List(&'static Shape),
    /// A structure, with its fields by number.
    Fields(&'static [(i64, Shape)]),
}

use Shape::{Fields, List, Plain, Truth};

impl Shape {
    /// Whether a value of this type of the protocol may have this shape.
    pub(super) fn is(&self, kind: u8) -> bool {
        match self {
            Plain(own) => *own == kind,
            Truth => kind == TRUE || kind == FALSE,
            List(_) => kind == LIST,
            Fields(_) => kind == STRUCT,
        }
    }

    /// The shape of a field; none where the format has no such field, which decoders pass over by its declared type.
    pub(super) fn field(&self, id: i64) -> Option<&'static Shape> {
        let Fields(fields) = self else { return None };
        fields.iter().find(|(own, _)| *own == id).map(|(_, shape)| shape)
    }

    /// The shape of the elements of a list.
    pub(super) fn element(&self) -> Option<&'static Shape> {
        if let List(element) = self { Some(element) } else { None }
    }
}

const EMPTY: Shape = Fields(&[]);
const NUMBER: Shape = Plain(I32);
const LONG: Shape = Plain(I64);
const BYTES: Shape = Plain(BINARY);

const KEY_VALUE: Shape = Fields(&[(1, BYTES), (2, BYTES)]);
const TIME_UNIT: Shape = Fields(&[(1, EMPTY), (2, EMPTY), (3, EMPTY)]);
const TIME: Shape = Fields(&[(1, Truth), (2, TIME_UNIT)]);
const LOGICAL_TYPE: Shape = Fields(&[
    (1, EMPTY),
    (2, EMPTY),
    (3, EMPTY),
    (4, EMPTY),
    (5, Fields(&[(1, NUMBER), (2, NUMBER)])),
    (6, EMPTY),
    (7, TIME),
    (8, TIME),
    (10, Fields(&[(1, Plain(BYTE)), (2, Truth)])),
    (11, EMPTY),
    (12, EMPTY),
    (13, EMPTY),
    (14, EMPTY),
    (15, EMPTY),
    (16, Fields(&[(1, Plain(BYTE))])),
    (17, Fields(&[(1, BYTES)])),
    (18, Fields(&[(1, BYTES), (2, NUMBER)])),
]);
/// `SchemaElement`.
pub(super) const SCHEMA_ELEMENT: Shape = Fields(&[
    (1, NUMBER),
    (2, NUMBER),
    (3, NUMBER),
    (4, BYTES),
    (5, NUMBER),
    (6, NUMBER),
    (7, NUMBER),
    (8, NUMBER),
    (9, NUMBER),
    (10, LOGICAL_TYPE),
]);
const STATISTICS: Shape =
    Fields(&[(1, BYTES), (2, BYTES), (3, LONG), (4, LONG), (5, BYTES), (6, BYTES), (7, Truth), (8, Truth)]);
const REAL: Shape = Plain(DOUBLE);
const BOX: Shape =
    Fields(&[(1, REAL), (2, REAL), (3, REAL), (4, REAL), (5, REAL), (6, REAL), (7, REAL), (8, REAL)]);
const COLUMN_META_DATA: Shape = Fields(&[
    (1, NUMBER),
    (2, List(&NUMBER)),
    (3, List(&BYTES)),
    (4, NUMBER),
    (5, LONG),
    (6, LONG),
    (7, LONG),
    (8, List(&KEY_VALUE)),
    (9, LONG),
    (10, LONG),
    (11, LONG),
    (12, STATISTICS),
    (13, List(&Fields(&[(1, NUMBER), (2, NUMBER), (3, NUMBER)]))),
    (14, LONG),
    (15, NUMBER),
    (16, Fields(&[(1, LONG), (2, List(&LONG)), (3, List(&LONG))])),
    (17, Fields(&[(1, BOX), (2, List(&NUMBER))])),
]);
const COLUMN_CHUNK: Shape = Fields(&[
    (1, BYTES),
    (2, LONG),
    (3, COLUMN_META_DATA),
    (4, LONG),
    (5, NUMBER),
    (6, LONG),
    (7, NUMBER),
    (8, EMPTY),
    (9, BYTES),
]);
const SORTING_COLUMN: Shape = Fields(&[(1, NUMBER), (2, Truth), (3, Truth)]);
const ROW_GROUP: Shape = Fields(&[
    (1, List(&COLUMN_CHUNK)),
    (2, LONG),
    (3, LONG),
    (4, List(&SORTING_COLUMN)),
    (5, LONG),
    (6, LONG),
    (7, Plain(I16)),
]);
/// `FileMetaData`.
pub(super) const FILE_META_DATA: Shape = Fields(&[
    (1, NUMBER),
    (2, List(&SCHEMA_ELEMENT)),
    (3, LONG),
    (4, List(&ROW_GROUP)),
    (5, List(&KEY_VALUE)),
    (6, BYTES),
    (7, List(&Fields(&[(1, EMPTY)]))),
    (8, EMPTY),
    (9, BYTES),
]);

/// `PageHeader`.
pub(in super::super) const PAGE_HEADER: Shape = Fields(&[
    (1, NUMBER),
    (2, NUMBER),
    (3, NUMBER),
    (4, NUMBER),
    (5, DATA_PAGE),
    (6, EMPTY),
    (7, DICTIONARY_PAGE),
    (8, DATA_PAGE_V2),
]);
/// `DataPageHeader`.
pub(in super::super) const DATA_PAGE: Shape =
    Fields(&[(1, NUMBER), (2, NUMBER), (3, NUMBER), (4, NUMBER), (5, STATISTICS)]);
/// `DictionaryPageHeader`.
pub(in super::super) const DICTIONARY_PAGE: Shape = Fields(&[(1, NUMBER), (2, NUMBER), (3, Truth)]);
/// `DataPageHeaderV2`.
pub(in super::super) const DATA_PAGE_V2: Shape = Fields(&[
    (1, NUMBER),
    (2, NUMBER),
    (3, NUMBER),
    (4, NUMBER),
    (5, NUMBER),
    (6, NUMBER),
    (7, Truth),
    (8, STATISTICS),
]);
