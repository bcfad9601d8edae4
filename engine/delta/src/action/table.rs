//! The actions that describe the table: `protocol`, `metaData`, `txn` and `domainMetadata`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;

/// What readers and writers of the table must know.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Protocol {
    /// The least version of a reader.
    pub min_reader_version: i64,
    /// The least version of a writer.
    pub min_writer_version: i64,
    /// Named features that readers must know.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub reader_features: BTreeSet<String>,
    /// Named features that writers must know.
    #[serde(default, deserialize_with = "null_as_empty")]
    pub writer_features: BTreeSet<String>,
    /// The action's JSON object as text.
    #[serde(skip)]
    pub body: Arc<str>,
}

impl Protocol {
    /// Reads the body of a `protocol`.
    pub fn parse(body: &str) -> Result<Protocol, String> {
        let protocol: Protocol = serde_json::from_str(body).map_err(|error| error.to_string())?;
        Ok(Protocol { body: body.into(), ..protocol })
    }

    /// Whether both demand the same, however they are spelled.
    pub fn same(&self, other: &Protocol) -> bool {
        self.min_reader_version == other.min_reader_version
            && self.min_writer_version == other.min_writer_version
            && self.reader_features == other.reader_features
            && self.writer_features == other.writer_features
    }

    /// Whether a feature is named for writers.
    pub fn names(&self, feature: &str) -> bool {
        self.writer_features.contains(feature)
    }
}

/// Schema, partitioning and properties.
#[derive(Clone, PartialEq, Debug)]
pub struct Metadata {
    /// The table's id: it never changes.
    pub id: String,
    /// The table's name.
    pub name: Option<String>,
    /// What the table is for.
    pub description: Option<String>,
    /// The provider of the files: `parquet`.
    pub provider: String,
    /// The schema.
    pub schema: serde_json::Value,
    /// The columns that partition the table.
    pub partition_columns: Vec<String>,
    /// The properties.
    pub configuration: BTreeMap<String, String>,
    /// The action's JSON object as text.
    pub body: Arc<str>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct MetadataFields {
    id: String,
    name: Option<String>,
    description: Option<String>,
    format: Option<FormatFields>,
    schema_string: String,
    #[serde(default, deserialize_with = "null_as_empty")]
    partition_columns: Vec<String>,
    #[serde(default, deserialize_with = "null_as_empty")]
    configuration: BTreeMap<String, Option<String>>,
}

#[derive(Deserialize)]
struct FormatFields {
    provider: String,
}

impl Metadata {
    /// Reads the body of a `metaData`.
    pub fn parse(body: &str) -> Result<Metadata, String> {
        let fields: MetadataFields = serde_json::from_str(body).map_err(|error| error.to_string())?;
        let schema: serde_json::Value =
            serde_json::from_str(&fields.schema_string).map_err(|error| format!("schemaString: {error}"))?;
        if !schema.get("fields").is_some_and(serde_json::Value::is_array) {
            return Err("schemaString holds no struct".into());
        }
        Ok(Metadata {
            id: fields.id,
            name: fields.name,
            description: fields.description,
            provider: fields.format.map_or_else(|| "parquet".into(), |format| format.provider),
            schema,
            partition_columns: fields.partition_columns,
            configuration: fields
                .configuration
                .into_iter()
                .filter_map(|(name, value)| value.map(|value| (name, value)))
                .collect(),
            body: body.into(),
        })
    }

    /// Whether both describe the same table, however they are spelled.
    pub fn same(&self, other: &Metadata) -> bool {
        self.id == other.id
            && self.name == other.name
            && self.description == other.description
            && self.provider == other.provider
            && self.schema == other.schema
            && self.partition_columns == other.partition_columns
            && self.configuration == other.configuration
    }

    /// Whether a property is `true`.
    pub fn is_on(&self, property: &str) -> bool {
        self.configuration.get(property).is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

/// How far a streaming writer has come.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Txn {
    /// The writer.
    pub app_id: String,
    /// Its own version.
    pub version: i64,
    /// The action's JSON object as text.
    #[serde(skip)]
    pub body: Arc<str>,
}

impl Txn {
    /// Reads the body of a `txn`.
    pub fn parse(body: &str) -> Result<Txn, String> {
        let txn: Txn = serde_json::from_str(body).map_err(|error| error.to_string())?;
        Ok(Txn { body: body.into(), ..txn })
    }
}

/// The configuration of one metadata domain.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub struct Domain {
    /// The domain.
    pub domain: String,
    /// Its configuration, as its owner writes it.
    #[serde(default)]
    pub configuration: String,
    /// Whether it was removed.
    #[serde(default)]
    pub removed: bool,
    /// The action's JSON object as text.
    #[serde(skip)]
    pub body: Arc<str>,
}

impl Domain {
    /// Reads the body of a `domainMetadata`.
    pub fn parse(body: &str) -> Result<Domain, String> {
        let domain: Domain = serde_json::from_str(body).map_err(|error| error.to_string())?;
        Ok(Domain { body: body.into(), ..domain })
    }
}

fn null_as_empty<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::<T>::deserialize(deserializer)?.unwrap_or_default())
}
