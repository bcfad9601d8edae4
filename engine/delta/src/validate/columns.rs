//! The columns that a check reads, and how they are read from any file of the table.

use anabranch_rows::schema::{FIELD_ID, Projection, reconcile};
use anabranch_rows::{PerSide, Side};
use arrow::datatypes::{Field, Schema, SchemaRef};

use crate::action::Metadata;
use crate::rows::mapping::{Mapping, physical_name, shown_all};
use crate::rows::schema;

/// See the module.
pub(crate) struct Columns {
    /// The schema of the rows.
    pub(crate) rows: SchemaRef,
    pub(super) projection: Projection,
    pub(super) partition: PartitionColumns,
}

/// The partition columns among those that are read.
#[derive(Default)]
pub(super) struct PartitionColumns {
    /// What they are called in the rows.
    pub(super) names: Vec<String>,
    /// What the log calls them.
    pub(super) in_log: Vec<String>,
}

impl Columns {
    /// The columns of the merged table for which `wanted` says so.
    ///
    /// # Errors
    /// Why they cannot be read.
    pub(crate) fn of(sides: PerSide<&Metadata>, wanted: impl Fn(&str) -> bool) -> Result<Columns, String> {
        let mut mapping = Mapping::Plain;
        let mut schemas: PerSide<Schema> = PerSide::from_fn(|_| Schema::empty());
        for side in Side::ALL {
            let of_side = Mapping::of(sides.get(side))?;
            // Once a table maps its columns its older files keep their names, as what the new mapping calls them.
            mapping = mapping.max(of_side);
            let all = of_side.identified(&schema::arrow_schema(sides.get(side))?);
            let kept = all.fields().iter().filter(|field| wanted(field.name())).cloned();
            *schemas.get_mut(side) = Schema::new(kept.collect::<Vec<_>>());
        }
        let merged = reconcile(PerSide { base: &schemas.base, ours: &schemas.ours, theirs: &schemas.theirs });
        let merged = merged.map_err(|findings| shown_all(&findings))?;
        let field = |name: &String| merged.rows.field_with_name(name).ok();
        let partition_columns = sides.ours.partition_columns.iter().filter_map(field);
        let partition = PartitionColumns::of(partition_columns.map(|field| (field.name().clone(), field)));
        // Files of every side, and those that the merge wrote.
        let (rows, projection) = mapping.reading(&merged.rows)?;
        Ok(Columns { rows, projection, partition })
    }

    /// Columns of two tables that hold the same values, perhaps under other names and of a narrower type.
    ///
    /// # Errors
    /// Why they cannot be compared.
    pub(crate) fn paired(
        [left, right]: [&Metadata; 2],
        [left_names, right_names]: [&[String]; 2],
    ) -> Result<[Columns; 2], String> {
        let (left, right) = (Numbered::of(left, left_names)?, Numbered::of(right, right_names)?);
        // The wider type stands on the later side.
        let one = reconcile(PerSide { base: &left.schema, ours: &left.schema, theirs: &right.schema });
        let joined = one.map(|joined| (joined.rows, joined.projections.ours, joined.projections.theirs));
        let joined = joined.or_else(|_| {
            let other = PerSide { base: &right.schema, ours: &right.schema, theirs: &left.schema };
            reconcile(other).map(|joined| (joined.rows, joined.projections.theirs, joined.projections.ours))
        });
        let (rows, left_read, right_read) = joined.map_err(|findings| shown_all(&findings))?;
        Ok([left.read_as(&rows, left_read), right.read_as(&rows, right_read)])
    }
}

impl PartitionColumns {
    fn of<'f>(columns: impl Iterator<Item = (String, &'f Field)>) -> PartitionColumns {
        let (names, in_log) = columns.map(|(name, field)| (name, physical_name(field).to_owned())).unzip();
        PartitionColumns { names, in_log }
    }
}

/// Some columns of a table, each with its place among them as its id.
struct Numbered {
    schema: Schema,
    mapping: Mapping,
    /// The columns as the table has them.
    fields: Vec<Field>,
    /// What its files have for each.
    found_as: Vec<String>,
    partition_columns: Vec<String>,
}

impl Numbered {
    fn of(metadata: &Metadata, names: &[String]) -> Result<Numbered, String> {
        let mapping = Mapping::of(metadata)?;
        let all = mapping.identified(&schema::arrow_schema(metadata)?);
        let field =
            |name: &String| all.field_with_name(name).map_err(|_| format!("there is no column {name}"));
        let fields = names.iter().map(|name| field(name).cloned()).collect::<Result<Vec<Field>, String>>()?;
        let place = |(place, field): (usize, &Field)| {
            field.clone().with_metadata([(FIELD_ID.to_owned(), place.to_string())].into())
        };
        Ok(Numbered {
            schema: Schema::new(fields.iter().enumerate().map(place).collect::<Vec<_>>()),
            mapping,
            found_as: fields.iter().map(|field| mapping.found_as(field)).collect::<Result<_, _>>()?,
            fields,
            partition_columns: metadata.partition_columns.clone(),
        })
    }

    /// The columns of rows that have them in the same order, perhaps under other names.
    fn read_as(self, rows: &SchemaRef, projection: Projection) -> Columns {
        let in_file = |name: &str| {
            let mut found = self.fields.iter().zip(&self.found_as);
            let found = found.find(|(field, _)| field.name() == name);
            found.map_or_else(|| name.to_owned(), |(_, found_as)| found_as.clone())
        };
        let projection = projection.renamed(in_file);
        let projection = if self.mapping == Mapping::Id { projection.by_field_id() } else { projection };
        let pairs = rows.fields().iter().zip(&self.fields);
        let in_partition = pairs.filter(|(_, field)| self.partition_columns.contains(field.name()));
        let partition = PartitionColumns::of(in_partition.map(|(row, field)| (row.name().clone(), field)));
        Columns { rows: rows.clone(), projection, partition }
    }
}
