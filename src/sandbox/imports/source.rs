//! The file of an import: a zip with exactly one CSV, or for V5 the CSV itself.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek};

use zip::ZipArchive;

/// The file, in the system's temporary folder without a name.
pub(super) struct Source {
    file: File,
    is_zip: bool,
}

impl Source {
    /// Says what is wrong with the file as a container.
    pub(super) fn open(mut file: File, may_be_bare: bool, max_csv_bytes: u64) -> Result<Self, String> {
        let mut magic = [0; 2];
        let is_zip = file.rewind().and_then(|()| file.read_exact(&mut magic)).is_ok() && &magic == b"PK";
        if !is_zip {
            let source = Self { file, is_zip };
            return if may_be_bare { Ok(source) } else { Err("the file is no zip".into()) };
        }
        let source = Self { file, is_zip };
        let mut archive = source.archive().map_err(|error| format!("the zip cannot be read: {error}"))?;
        if archive.len() != 1 {
            return Err(format!("the zip must hold exactly one CSV, not {} files", archive.len()));
        }
        let csv = archive.by_index(0).map_err(|error| format!("the zip cannot be read: {error}"))?;
        let is_csv = csv.name().is_ok_and(|name| name.to_ascii_lowercase().ends_with(".csv"));
        if !csv.is_file() || !is_csv {
            return Err("the zip must hold a CSV, whose name ends in .csv".into());
        }
        if csv.size() > max_csv_bytes {
            return Err(format!("the CSV is larger than {max_csv_bytes} bytes"));
        }
        drop(csv);
        Ok(source)
    }

    /// Reads the CSV from its beginning.
    pub(super) fn read<T>(&self, read: impl FnOnce(&mut dyn Read) -> Result<T, String>) -> Result<T, String> {
        let failed = |error: io::Error| format!("the file cannot be read: {error}");
        if self.is_zip {
            let mut archive = self.archive().map_err(failed)?;
            let mut csv = archive.by_index(0).map_err(|error| format!("the zip cannot be read: {error}"))?;
            return read(&mut csv);
        }
        let mut file = self.file.try_clone().map_err(failed)?;
        file.rewind().map_err(failed)?;
        read(&mut BufReader::new(file))
    }

    fn archive(&self) -> io::Result<ZipArchive<BufReader<File>>> {
        let mut file = self.file.try_clone()?;
        file.rewind()?;
        Ok(ZipArchive::new(BufReader::new(file))?)
    }
}
