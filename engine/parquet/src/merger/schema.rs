//! The schema of a merged file: each column is stored as a side stores it, wherever the joined column is that side's. Pure.

use std::collections::HashMap;
use std::sync::Arc;

use anabranch_merge::{Decision, ThreeWay};
use anabranch_rows::schema::{FIELD_ID, MergedSchema};
use anabranch_rows::{PerSide, Side};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};
use parquet::arrow::{ArrowSchemaConverter, parquet_to_arrow_schema};
use parquet::basic::{ConvertedType, LogicalType, Repetition, Type as PhysicalType};
use parquet::schema::types::{ColumnDescriptor, SchemaDescriptor, Type, TypePtr};

/// The columns of one file.
#[derive(Clone, Debug)]
pub(super) struct FileColumns {
    /// As they are stored.
    pub(super) stored: Arc<SchemaDescriptor>,
    /// As the file's writer wants them read.
    pub(super) shown: SchemaRef,
    /// As rows are worked on: no dictionaries and no views, whose pieces of several files would have to be fitted.
    pub(super) plain: Schema,
}

impl FileColumns {
    /// The columns of a file with this footer, of which a reader makes `shown`.
    ///
    /// # Errors
    ///
    /// A column that cannot be read.
    pub(super) fn new(stored: Arc<SchemaDescriptor>, shown: SchemaRef) -> Result<FileColumns, String> {
        if stored.root_schema().get_fields().len() != shown.fields().len() {
            return Err("it has a column without a type".to_owned());
        }
        let plain = Schema::new(shown.fields().iter().map(plain_field).collect::<Fields>());
        Ok(FileColumns { stored, shown, plain })
    }

    /// Why a column is not written as it is stored; none: all are.
    pub(super) fn obstacle(&self) -> Option<String> {
        self.stored.columns().iter().find_map(|column| obstacle(column))
    }

    fn stored_column(&self, name: &str) -> Option<&TypePtr> {
        self.stored.root_schema().get_fields().get(self.plain.index_of(name).ok()?)
    }

    fn plain_column(&self, name: &str) -> Option<&Field> {
        self.plain.field_with_name(name).ok()
    }
}

fn obstacle(column: &ColumnDescriptor) -> Option<String> {
    let name = column.path().string();
    if column.physical_type() == PhysicalType::INT96 {
        return Some(format!(
            "column {name} is stored as INT96, which is read and not written: let its writer store timestamps as \
             TIMESTAMP_MICROS (in Spark spark.sql.parquet.outputTimestampType)"
        ));
    }
    if column.converted_type() == ConvertedType::INTERVAL {
        return Some(format!("column {name} holds intervals, which are not written without loss"));
    }
    match column.logical_type_ref() {
        Some(LogicalType::_Unknown { field_id }) => {
            Some(format!("column {name} has a logical type that is not known here (number {field_id})"))
        }
        _ => None,
    }
}

fn plain_field(field: &FieldRef) -> FieldRef {
    Arc::new(field.as_ref().clone().with_data_type(plain_type(field.data_type())))
}

fn plain_type(data_type: &DataType) -> DataType {
    use DataType::*;
    rewritten(data_type, &|leaf| match leaf {
        Dictionary(_, values) => Some(plain_type(values)),
        RunEndEncoded(_, values) => Some(plain_type(values.data_type())),
        Utf8View => Some(LargeUtf8),
        BinaryView => Some(LargeBinary),
        ListView(item) => Some(List(plain_field(item))),
        LargeListView(item) => Some(LargeList(plain_field(item))),
        _ => None,
    })
}

/// A type in which `other` says what becomes of its parts; none: what they are.
fn rewritten(data_type: &DataType, other: &dyn Fn(&DataType) -> Option<DataType>) -> DataType {
    use DataType::*;
    if let Some(other) = other(data_type) {
        return other;
    }
    let within = |field: &FieldRef| -> FieldRef {
        Arc::new(field.as_ref().clone().with_data_type(rewritten(field.data_type(), other)))
    };
    match data_type {
        List(item) => List(within(item)),
        LargeList(item) => LargeList(within(item)),
        FixedSizeList(item, length) => FixedSizeList(within(item), *length),
        Struct(fields) => Struct(fields.iter().map(within).collect()),
        Map(entries, sorted) => Map(within(entries), *sorted),
        same => same.clone(),
    }
}

/// The columns of a merged file.
#[derive(Clone, Debug)]
pub(super) struct MergedColumns {
    /// As they are stored.
    pub(super) stored: Arc<SchemaDescriptor>,
    /// As they are handed to the writer: what `stored` alone makes of them.
    pub(super) written: SchemaRef,
    /// As a reader should see them.
    pub(super) shown: Schema,
    /// By column: the side as whose it is stored, and its name there; none: as nobody's.
    pub(super) from: Vec<Option<(Side, String)>>,
    /// Columns whose metadata both sides changed differently.
    pub(super) clashes: Vec<String>,
}

impl MergedColumns {
    /// Whether all columns are one side's, and are all of them, in its order.
    pub(super) fn are_of(&self, side: Side, columns: &FileColumns) -> bool {
        let fields = columns.stored.root_schema().get_fields();
        let fields: Result<Vec<TypePtr>, _> = fields.iter().map(writable).collect();
        fields.is_ok_and(|fields| self.stored.root_schema().get_fields() == fields)
            && self.from.iter().all(|from| from.as_ref().is_some_and(|(of, _)| *of == side))
    }
}

/// Joins the columns of the sides that there are, as `merged` says which there are.
///
/// # Errors
///
/// Columns that are stored in ways that do not go together.
pub(super) fn join(
    sides: &PerSide<Option<FileColumns>>,
    merged: &MergedSchema,
) -> Result<MergedColumns, String> {
    let mut stored = Vec::with_capacity(merged.schema.fields().len());
    let mut shown = Vec::with_capacity(stored.capacity());
    let mut from = Vec::with_capacity(stored.capacity());
    let mut clashes = Vec::new();
    for (field, rows) in merged.schema.fields().iter().zip(merged.rows.fields()) {
        let column = Column::find(sides, merged, field.name());
        column.same_coordinates(field.name())?;
        let source = column.source(field);
        let is_optional = column.is_optional(sides);
        let made = match &source {
            Some((_, found)) => found.stored_as(field.name(), is_optional)?,
            None => converted(rows)?,
        };
        let is_nullable = made.get_basic_info().repetition() == Repetition::OPTIONAL;
        let as_shown = source.as_ref().map_or(field.data_type(), |(_, found)| found.shown.data_type());
        let metadata = column.described().unwrap_or_else(|| {
            clashes.push(field.name().clone());
            HashMap::new()
        });
        shown.push(Field::new(field.name(), shown_type(as_shown), is_nullable).with_metadata(metadata));
        from.push(source.map(|(side, found)| (side, found.stored.name().to_owned())));
        stored.push(writable(&made).map_err(|error| error.to_string())?);
    }
    let root = sides.ours.as_ref().map_or("schema", |ours| ours.stored.root_schema().name());
    let root = Type::group_type_builder(root).with_fields(stored).build();
    let root = root.map_err(|error| error.to_string())?;
    let stored = Arc::new(SchemaDescriptor::new(Arc::new(root)));
    let written = parquet_to_arrow_schema(&stored, None).map_err(|error| error.to_string())?;
    if written.fields().len() != merged.schema.fields().len() {
        return Err("a column of the merged file has no type".to_owned());
    }
    Ok(MergedColumns { stored, written: Arc::new(written), shown: Schema::new(shown), from, clashes })
}

/// Dictionaries are numbered by 32 bits at least: those of the sides together may be too many for fewer.
fn shown_type(data_type: &DataType) -> DataType {
    use DataType::{Dictionary, Int8, Int16, Int32, UInt8, UInt16, UInt32};
    rewritten(data_type, &|leaf| {
        let Dictionary(numbers, values) = leaf else { return None };
        let numbers = match numbers.as_ref() {
            Int8 | Int16 => Int32,
            UInt8 | UInt16 => UInt32,
            enough => enough.clone(),
        };
        Some(Dictionary(Box::new(numbers), values.clone()))
    })
}

/// A column of one side.
#[derive(Clone, Copy)]
struct Found<'a> {
    stored: &'a TypePtr,
    plain: &'a Field,
    shown: &'a Field,
}

/// A column on the sides that have it.
struct Column<'a>(PerSide<Option<Found<'a>>>);

impl<'a> Column<'a> {
    fn find(sides: &'a PerSide<Option<FileColumns>>, merged: &MergedSchema, name: &str) -> Column<'a> {
        Column(PerSide::from_fn(|side| {
            let columns = sides.get(side).as_ref()?;
            let name = merged.projections.get(side).source_of(name)?;
            Some(Found {
                stored: columns.stored_column(name)?,
                plain: columns.plain_column(name)?,
                shown: columns.shown.field_with_name(name).ok()?,
            })
        }))
    }

    fn present(&self) -> impl Iterator<Item = Found<'a>> {
        Side::ALL.into_iter().filter_map(|side| *self.0.get(side))
    }

    /// As whose column the joined one is stored.
    fn source(&self, joined: &Field) -> Option<(Side, Found<'a>)> {
        let mut nested = self.present().map(|found| nullability(found.plain.data_type()));
        let first = nested.next()?;
        // What may be NULL deep within a column is part of how it is stored.
        if nested.any(|other| other != first) {
            return None;
        }
        let is_it = |side: Side| {
            let found = (*self.0.get(side))?;
            (shape(found.plain.data_type()) == shape(joined.data_type())).then_some((side, found))
        };
        is_it(Side::Ours).or_else(|| is_it(Side::Theirs))
    }

    /// Whether a row of the merged file may lack it: a side has it optional, or does not have it at all.
    fn is_optional(&self, sides: &PerSide<Option<FileColumns>>) -> bool {
        Side::ALL.into_iter().any(|side| match (sides.get(side), self.0.get(side)) {
            (None, _) => false,
            (Some(_), None) => true,
            (Some(_), Some(found)) => found.plain.is_nullable(),
        })
    }

    /// What the column's metadata says of it, by the three-way rule; none where both sides changed it differently.
    fn described(&self) -> Option<HashMap<String, String>> {
        let metadata = PerSide::from_fn(|side| {
            self.0.get(side).map(|found| {
                let mut metadata = found.shown.metadata().clone();
                metadata.remove(FIELD_ID);
                metadata
            })
        });
        let PerSide { base, ours, theirs } = &metadata;
        let (one, other) = match (ours, theirs) {
            (Some(ours), Some(theirs)) => (ours, theirs),
            (one, other) => return Some(one.as_ref().or(other.as_ref()).cloned().unwrap_or_default()),
        };
        let sides = ThreeWay { base: base.as_ref(), ours: Some(one), theirs: Some(other) };
        match sides.decide(|left, right| left == right) {
            Decision::Ours => Some(one.clone()),
            Decision::Theirs => Some(other.clone()),
            Decision::Conflict => None,
        }
    }

    /// Coordinates of two reference systems are never put into one column.
    fn same_coordinates(&self, name: &str) -> Result<(), String> {
        let mut systems = self.present().map(|found| coordinates(found.stored));
        let first = systems.next();
        match systems.all(|other| Some(&other) == first.as_ref()) {
            true => Ok(()),
            false => Err(format!("the coordinates of column {name} are of different reference systems")),
        }
    }
}

impl Found<'_> {
    fn stored_as(&self, name: &str, is_optional: bool) -> Result<TypePtr, String> {
        let repetition = match (self.stored.get_basic_info().repetition(), is_optional) {
            (Repetition::REQUIRED, true) => Repetition::OPTIONAL,
            (Repetition::REPEATED, true) => {
                return Err(format!("column {name} is repeated without being a list, and a side lacks it"));
            }
            (same, _) => same,
        };
        if self.stored.name() == name && self.stored.get_basic_info().repetition() == repetition {
            return Ok(Arc::clone(self.stored));
        }
        rebuilt(self.stored, name, repetition).map(Arc::new).map_err(|error| error.to_string())
    }
}

/// The same type under another name, or with another repetition.
fn rebuilt(from: &Type, name: &str, repetition: Repetition) -> Result<Type, parquet::errors::ParquetError> {
    let basic = from.get_basic_info();
    let id = basic.has_id().then(|| basic.id());
    let logical = basic.logical_type_ref().cloned();
    match from {
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            Type::primitive_type_builder(name, *physical_type)
                .with_repetition(repetition)
                .with_converted_type(basic.converted_type())
                .with_logical_type(logical)
                .with_length(*type_length)
                .with_scale(*scale)
                .with_precision(*precision)
                .with_id(id)
                .build()
        }
        Type::GroupType { fields, .. } => Type::group_type_builder(name)
            .with_repetition(repetition)
            .with_converted_type(basic.converted_type())
            .with_logical_type(logical)
            .with_fields(fields.clone())
            .with_id(id)
            .build(),
    }
}

/// The same type as the writer can store it: decimals that are bytes have no more of them than their digits need.
fn writable(from: &TypePtr) -> Result<TypePtr, parquet::errors::ParquetError> {
    let basic = from.get_basic_info();
    match from.as_ref() {
        Type::PrimitiveType { physical_type, type_length, scale, precision, .. } => {
            let is_decimal = matches!(basic.logical_type_ref(), Some(LogicalType::Decimal { .. }))
                || basic.converted_type() == ConvertedType::DECIMAL;
            let is_bytes =
                matches!(physical_type, PhysicalType::BYTE_ARRAY | PhysicalType::FIXED_LEN_BYTE_ARRAY);
            let length = decimal_bytes(*precision);
            if !is_decimal
                || !is_bytes
                || (*physical_type == PhysicalType::FIXED_LEN_BYTE_ARRAY && *type_length == length)
            {
                return Ok(Arc::clone(from));
            }
            let made = Type::primitive_type_builder(from.name(), PhysicalType::FIXED_LEN_BYTE_ARRAY)
                .with_repetition(basic.repetition())
                .with_converted_type(basic.converted_type())
                .with_logical_type(basic.logical_type_ref().cloned())
                .with_length(length)
                .with_scale(*scale)
                .with_precision(*precision)
                .with_id(basic.has_id().then(|| basic.id()));
            made.build().map(Arc::new)
        }
        Type::GroupType { fields, .. } => {
            let made = fields.iter().map(writable).collect::<Result<Vec<_>, _>>()?;
            if made == *fields {
                return Ok(Arc::clone(from));
            }
            let group = Type::group_type_builder(from.name())
                .with_repetition(basic.repetition())
                .with_converted_type(basic.converted_type())
                .with_logical_type(basic.logical_type_ref().cloned())
                .with_fields(made)
                .with_id(basic.has_id().then(|| basic.id()));
            group.build().map(Arc::new)
        }
    }
}

/// How many bytes hold a number of so many decimal digits and its sign.
fn decimal_bytes(digits: i32) -> i32 {
    ((f64::from(digits) * std::f64::consts::LOG2_10 + 1.0) / 8.0).ceil() as i32
}

/// How a column is stored that is no side's.
fn converted(field: &FieldRef) -> Result<TypePtr, String> {
    let schema = Schema::new(vec![Arc::clone(field)]);
    let made = ArrowSchemaConverter::new().convert(&schema).map_err(|error| error.to_string())?;
    let made = made.root_schema().get_fields().first().cloned();
    made.ok_or_else(|| format!("column {} has no type", field.name()))
}

/// The reference systems of the coordinates in a column, leaf by leaf.
fn coordinates(stored: &Type) -> Vec<LogicalType> {
    let mut found = Vec::new();
    let logical = stored.get_basic_info().logical_type_ref();
    if let Some(system @ (LogicalType::Geometry { .. } | LogicalType::Geography { .. })) = logical {
        found.push(system.clone());
    }
    if let Type::GroupType { fields, .. } = stored {
        found.extend(fields.iter().flat_map(|field| coordinates(field)));
    }
    found
}

/// What lies within a type.
fn within(data_type: &DataType) -> Vec<&FieldRef> {
    use DataType::*;
    match data_type {
        List(item) | LargeList(item) | FixedSizeList(item, _) | Map(item, _) => vec![item],
        Struct(fields) => fields.iter().collect(),
        _ => Vec::new(),
    }
}

/// What may be NULL within a type, in order.
fn nullability(data_type: &DataType) -> Vec<bool> {
    let within = within(data_type).into_iter();
    within.flat_map(|field| [vec![field.is_nullable()], nullability(field.data_type())].concat()).collect()
}

/// A type without what writers name or demand otherwise: names of elements, NULL, metadata.
fn shape(data_type: &DataType) -> DataType {
    use DataType::*;
    let named = |field: &FieldRef, name: &str| -> FieldRef {
        Arc::new(Field::new(name, shape(field.data_type()), true))
    };
    match data_type {
        List(item) => List(named(item, "item")),
        LargeList(item) => LargeList(named(item, "item")),
        FixedSizeList(item, length) => FixedSizeList(named(item, "item"), *length),
        Map(entries, sorted) => Map(named(entries, "entries"), *sorted),
        Struct(fields) => Struct(fields.iter().map(|field| named(field, field.name())).collect()),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_have_the_bytes_that_the_writer_gives_them() {
        assert_eq!([1, 2, 4, 9, 18].map(decimal_bytes), [1, 1, 2, 4, 8]);
        for digits in 19..=76_u8 {
            let data_type =
                if digits > 38 { DataType::Decimal256(digits, 2) } else { DataType::Decimal128(digits, 2) };
            let made = converted(&Arc::new(Field::new("price", data_type, true))).unwrap();
            let Type::PrimitiveType { type_length, .. } = made.as_ref() else { panic!("{made:?}") };
            assert_eq!(decimal_bytes(i32::from(digits)), *type_length, "{digits}");
            assert_eq!(writable(&made).unwrap(), made);
        }
    }
}
