//! Copies the footers of the fixtures, which real writers wrote, to `corpus/footer/`, and small columns to `corpus/pages/`, each behind
//! its codec, its type and whether it has a dictionary.

use std::error::Error;
use std::fs;
use std::path::Path;

use bytes::Bytes;
use parquet::basic::{Compression, Type};
use parquet::file::metadata::ParquetMetaDataReader;

/// The largest column that is a seed.
const COLUMN_BYTES_MAX: usize = 4_096;

fn copy(from: &Path, to: &Path) -> Result<(), Box<dyn Error>> {
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        if path.is_dir() {
            copy(&path, to)?;
        } else if path.extension().is_some_and(|extension| extension == "parquet") {
            let file = fs::read(&path)?;
            let Some((rest, tail)) = file.split_last_chunk::<8>() else { continue };
            let length = u32::from_le_bytes([tail[0], tail[1], tail[2], tail[3]]) as usize;
            let name = path.to_string_lossy().replace(['/', '.'], "_");
            fs::write(to.join("footer").join(&name), &rest[rest.len().saturating_sub(length)..])?;
            columns(&file, &name, &to.join("pages"))?;
        }
    }
    Ok(())
}

fn columns(file: &[u8], name: &str, to: &Path) -> Result<(), Box<dyn Error>> {
    let footer = ParquetMetaDataReader::new().parse_and_finish(&Bytes::copy_from_slice(file))?;
    for (index, column) in footer.row_groups().iter().flat_map(|group| group.columns()).enumerate() {
        let codec = match column.compression() {
            Compression::UNCOMPRESSED => 0,
            Compression::SNAPPY => 1,
            Compression::GZIP(_) => 2,
            Compression::BROTLI(_) => 3,
            Compression::ZSTD(_) => 4,
            Compression::LZ4 => 5,
            _ => 6,
        };
        let (start, length) = column.byte_range();
        let bytes = &file[start as usize..(start + length) as usize];
        if bytes.len() <= COLUMN_BYTES_MAX {
            let (leaf, dictionary) = (column.column_descr(), column.dictionary_page_offset().is_some());
            let schema = match (leaf.max_rep_level(), leaf.physical_type()) {
                (0, Type::BYTE_ARRAY) => 0,
                (0, Type::FIXED_LEN_BYTE_ARRAY) => 2,
                (0, _) => 1,
                (1, _) => 3,
                _ => 4,
            };
            let about = [codec, schema, u8::from(dictionary)];
            fs::write(to.join(format!("{name}_{index}")), [&about, bytes].concat())?;
        }
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let to = Path::new("corpus");
    for target in ["footer", "pages"] {
        fs::create_dir_all(to.join(target))?;
    }
    copy(Path::new("../../../testdata"), to)
}
