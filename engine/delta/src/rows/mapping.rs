//! Tables whose columns have other names in their files and their log than in their schema (`delta.columnMapping.mode`). Pure.

use std::sync::Arc;

use anabranch_rows::PerSide;
use anabranch_rows::schema::{FIELD_ID, Projection, SchemaFinding, reconcile};
use arrow::datatypes::{DataType, Field, FieldRef, Fields, Schema, SchemaRef};

use crate::action::Metadata;

const MODE: &str = "delta.columnMapping.mode";
const ID: &str = "delta.columnMapping.id";
const PHYSICAL_NAME: &str = "delta.columnMapping.physicalName";

/// How the columns of a table are found in its files.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Debug)]
pub(crate) enum Mapping {
    /// By their names in the schema.
    #[default]
    Plain,
    /// By names that never change. The log goes by these too.
    Name,
    /// By ids that never change. The log goes by names that do not change either.
    Id,
}

impl Mapping {
    /// The mapping of a table.
    ///
    /// # Errors
    /// A mapping that is not known here.
    pub(crate) fn of(metadata: &Metadata) -> Result<Mapping, String> {
        match metadata.configuration.get(MODE).map(String::as_str) {
            None | Some("none") => Ok(Mapping::Plain),
            Some("name") => Ok(Mapping::Name),
            Some("id") => Ok(Mapping::Id),
            Some(other) => Err(format!("{MODE} = {other:?} is not known here")),
        }
    }

    /// What the columns of a schema are called where nothing renames them: each with its id, if the table has ids. A mapping
    /// that is switched off leaves its traces in the schema, and they mean nothing.
    pub(crate) fn identified(self, schema: &Schema) -> Schema {
        let identify = |field: Field| {
            let mut metadata = field.metadata().clone();
            match (self, metadata.remove(ID)) {
                (Mapping::Plain, _) => drop(metadata.remove(PHYSICAL_NAME)),
                (Mapping::Name | Mapping::Id, Some(id)) => drop(metadata.insert(FIELD_ID.to_owned(), id)),
                (Mapping::Name | Mapping::Id, None) => {}
            }
            field.with_metadata(metadata)
        };
        Schema::new(each_of(schema.fields(), &mut { identify }))
    }

    /// How rows of this schema are read from a file: what is read, and how it comes into the rows. The schema is one of
    /// [`Mapping::identified`], or several of these joined.
    ///
    /// # Errors
    /// A column that cannot be found in a file.
    pub(crate) fn reading(self, rows: &Schema) -> Result<(SchemaRef, Projection), String> {
        // The names of the two differ on every level, so that places tell which column is which.
        let (mut place, mut lost) = (0_u64, None);
        let in_rows = Schema::new(each_of(rows.fields(), &mut |field| {
            place = place.saturating_add(1);
            noting(field, place)
        }));
        place = 0;
        let in_files = Schema::new(each_of(rows.fields(), &mut |field| {
            place = place.saturating_add(1);
            let name = match self {
                Mapping::Plain => Some(field.name().clone()),
                Mapping::Name => Some(physical_name(&field).to_owned()),
                Mapping::Id => field.metadata().get(FIELD_ID).cloned(),
            };
            lost = lost.take().or_else(|| name.is_none().then(|| field.name().clone()));
            noting(field.with_name(name.unwrap_or_default()), place)
        }));
        if let Some(lost) = lost {
            return Err(format!("column {lost} has no id, and the table finds its columns by ids"));
        }
        let read = reconcile(PerSide { base: &in_files, ours: &in_rows, theirs: &in_files });
        let read = read.map_err(|findings| shown_all(&findings))?;
        let projection = read.projections.theirs;
        Ok((read.rows, if self == Mapping::Id { projection.by_field_id() } else { projection }))
    }

    /// What a file has for a column: its name or its id.
    ///
    /// # Errors
    /// The column has none, or columns within it, which may be called otherwise too.
    pub(crate) fn found_as(self, field: &Field) -> Result<String, String> {
        if self == Mapping::Plain {
            return Ok(field.name().clone());
        }
        if field.data_type().is_nested() {
            return Err(format!("{} has columns within it, and the table maps their names", field.name()));
        }
        match self {
            Mapping::Id => {
                field.metadata().get(FIELD_ID).cloned().ok_or(format!("{} has no id", field.name()))
            }
            Mapping::Plain | Mapping::Name => Ok(physical_name(field).to_owned()),
        }
    }
}

/// What the log calls a column of a schema of [`Mapping::identified`].
pub(crate) fn physical_name(field: &Field) -> &str {
    field.metadata().get(PHYSICAL_NAME).unwrap_or(field.name())
}

/// What the log of some states of a table calls these columns. What cannot be read keeps its name: so it will be said where
/// the columns are read.
pub(crate) fn names_in_log(states: &[&Metadata], columns: &[String]) -> Vec<String> {
    let name = |column: &String| {
        let field = |state: &&Metadata| {
            let mapping = Mapping::of(state).ok().filter(|mapping| *mapping != Mapping::Plain)?;
            let schema = super::schema::arrow_schema(state).ok()?;
            let field = mapping.identified(&schema).field_with_name(column).ok()?.clone();
            Some(physical_name(&field).to_owned())
        };
        states.iter().find_map(field).unwrap_or_else(|| column.clone())
    };
    columns.iter().map(name).collect()
}

pub(crate) fn shown_all(findings: &[SchemaFinding]) -> String {
    let all: Vec<String> = findings.iter().map(ToString::to_string).collect();
    all.join("; ")
}

fn noting(field: Field, place: u64) -> Field {
    let mut metadata = field.metadata().clone();
    metadata.insert(FIELD_ID.to_owned(), place.to_string());
    field.with_metadata(metadata)
}

/// Changes each column, and those within it: in the same order for every schema of the same shape.
fn each_of(fields: &Fields, change: &mut impl FnMut(Field) -> Field) -> Fields {
    let all = fields.iter().map(|field| {
        let inner = within(field.data_type(), change);
        Arc::new(change(field.as_ref().clone().with_data_type(inner)))
    });
    all.collect()
}

/// The same of a type. What stands between a list or a map and the columns in it is no column.
fn within(data_type: &DataType, change: &mut impl FnMut(Field) -> Field) -> DataType {
    let mut through = |field: &FieldRef| -> FieldRef {
        let inner = within(field.data_type(), change);
        Arc::new(field.as_ref().clone().with_data_type(inner))
    };
    match data_type {
        DataType::List(item) => DataType::List(through(item)),
        DataType::LargeList(item) => DataType::LargeList(through(item)),
        DataType::Map(entries, sorted) => {
            let DataType::Struct(parts) = entries.data_type() else { return data_type.clone() };
            let parts = DataType::Struct(parts.iter().map(through).collect());
            DataType::Map(Arc::new(entries.as_ref().clone().with_data_type(parts)), *sorted)
        }
        DataType::Struct(fields) => DataType::Struct(each_of(fields, change)),
        other => other.clone(),
    }
}
