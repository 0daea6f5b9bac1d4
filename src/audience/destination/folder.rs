//! A folder on this machine.
//!
//! A put is: write a file of another name, fsync it, rename it, fsync the folder. Whatever happens between two of
//! these, the old file or the new one stands there, whole.

use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::{Stat, TargetPath};
use crate::audience::content::Draft;

/// What is copied at once.
const CHUNK: usize = 1 << 20;

/// For its owner to write, and for the group that fetches it for Actito to read. Never for everybody.
const FILE_MODE: u32 = 0o640;

/// The same for the folders.
const FOLDER_MODE: u32 = 0o750;

#[derive(Debug)]
pub(in crate::audience) struct Folder {
    root: PathBuf,
    #[cfg(test)]
    failing: Failing,
}

impl Folder {
    pub(super) fn new(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
            #[cfg(test)]
            failing: Failing::never(),
        }
    }

    pub(super) fn root(&self) -> &Path {
        &self.root
    }

    pub(super) fn stat(&self, path: &TargetPath) -> io::Result<Option<Stat>> {
        self.step()?;
        let found = there(fs::metadata(self.path(path.name())))?;
        Ok(found.map(|found| Stat { bytes: found.len() }))
    }

    pub(super) fn fetch(&self, path: &TargetPath) -> io::Result<Option<File>> {
        self.step()?;
        there(File::open(self.path(path.name())))
    }

    pub(super) fn put(&self, path: &TargetPath, draft: &Draft) -> io::Result<()> {
        self.make_folders()?;
        self.tidy(path)?;
        // A name of its own: a writing that was given up and goes on in the background finishes its own file.
        let unfinished = self.path(&path.unfinished(&format!("{:016x}", fastrand::u64(..))));
        self.step()?;
        let mut file = OpenOptions::new().write(true).create_new(true).mode(FILE_MODE).open(&unfinished)?;
        // Again, because a umask took from it, as that of a service does: the group would read nothing.
        file.set_permissions(Permissions::from_mode(FILE_MODE))?;
        let (mut at, mut buffer) = (0, vec![0; CHUNK]);
        loop {
            let read = draft.file.read_at(&mut buffer, at)?;
            if read == 0 {
                break;
            }
            self.step()?;
            file.write_all(&buffer[..read])?;
            at += read as u64;
        }
        if at != draft.bytes {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file to be sent is cut off"));
        }
        self.step()?;
        file.sync_all()?;
        self.step()?;
        // The commit point: before it the old file stands there, after it the new one.
        fs::rename(&unfinished, self.path(path.name()))?;
        self.sync_folder()
    }

    pub(super) fn remove(&self, path: &TargetPath) -> io::Result<()> {
        self.tidy(path)?;
        self.step()?;
        if there(fs::remove_file(self.path(path.name())))?.is_some() {
            self.sync_folder()?;
        }
        Ok(())
    }

    pub(super) fn tidy(&self, path: &TargetPath) -> io::Result<()> {
        self.step()?;
        for entry in there(fs::read_dir(self.path("")))?.into_iter().flatten() {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(|name| path.is_unfinished(name)) {
                self.step()?;
                there(fs::remove_file(entry.path()))?;
            }
        }
        Ok(())
    }

    /// A folder that is new must be as durable as what is put into it.
    fn make_folders(&self) -> io::Result<()> {
        let mut folder = self.root.clone();
        if !folder.is_dir() {
            DirBuilder::new().recursive(true).mode(FOLDER_MODE).create(&folder)?;
            fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
        }
        for name in TargetPath::folders() {
            let parent = folder.clone();
            folder.push(name);
            if !folder.is_dir() {
                self.step()?;
                DirBuilder::new().mode(FOLDER_MODE).create(&folder)?;
                fs::set_permissions(&folder, Permissions::from_mode(FOLDER_MODE))?;
                self.step()?;
                File::open(parent)?.sync_all()?;
            }
        }
        Ok(())
    }

    fn sync_folder(&self) -> io::Result<()> {
        self.step()?;
        File::open(self.path(""))?.sync_all()
    }

    fn path(&self, name: &str) -> PathBuf {
        TargetPath::folders().iter().fold(self.root.clone(), |path, folder| path.join(folder)).join(name)
    }

    /// Comes before every operation that can fail, so that tests can make each of them fail.
    #[cfg(test)]
    fn step(&self) -> io::Result<()> {
        self.failing.step()
    }

    #[cfg(not(test))]
    #[expect(clippy::unused_self, clippy::unnecessary_wraps, reason = "tests make it fail")]
    fn step(&self) -> io::Result<()> {
        Ok(())
    }
}

/// `None` for what is not there.
fn there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(found) => Ok(Some(found)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// Which operations fail.
#[cfg(test)]
#[derive(Clone, Debug)]
pub(in crate::audience) struct Failing {
    /// How many operations there were.
    pub(in crate::audience) steps: std::sync::Arc<std::sync::atomic::AtomicUsize>,
    /// The one that fails, counted from 0.
    at: usize,
    /// Whether all after it fail, too: the process is gone.
    for_good: bool,
}

#[cfg(test)]
impl Failing {
    pub(in crate::audience) fn never() -> Self {
        Self::at(usize::MAX, false)
    }

    pub(in crate::audience) fn at(at: usize, for_good: bool) -> Self {
        Self { steps: std::sync::Arc::default(), at, for_good }
    }

    fn step(&self) -> io::Result<()> {
        let step = self.steps.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        match step == self.at || self.for_good && step > self.at {
            true => Err(io::Error::other("failed by the test")),
            false => Ok(()),
        }
    }
}

#[cfg(test)]
impl Folder {
    pub(super) fn failing(root: &Path, failing: Failing) -> Self {
        Self { root: root.to_owned(), failing }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::Ordering;

    use super::*;

    fn draft(text: &str) -> Draft {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(text.as_bytes()).unwrap();
        Draft::of(file, text.len() as u64)
    }

    #[test]
    fn whichever_operation_fails_the_old_file_or_the_new_one_stands_there_whole() {
        let path = TargetPath::of("Cat owners", 0);
        for for_good in [false, true] {
            for at in 0.. {
                let home = tempfile::tempdir().unwrap();
                Folder::new(home.path()).put(&path, &draft("old")).unwrap();
                let failing = Failing::at(at, for_good);
                let folder = Folder::failing(home.path(), failing.clone());
                let put = folder.put(&path, &draft("new and longer"));
                let stands = fs::read_to_string(folder.path(path.name())).unwrap();
                assert!(stands == "new and longer" || stands == "old" && put.is_err(), "{at}: {stands}");
                if failing.steps.load(Ordering::SeqCst) <= at {
                    assert!(put.is_ok() && at >= 5, "{at} operations");
                    break;
                }
                // The next one is not disturbed by what is left.
                Folder::new(home.path()).put(&path, &draft("next")).unwrap();
                Folder::new(home.path()).tidy(&path).unwrap();
                let files = fs::read_dir(folder.path("")).unwrap().count();
                assert_eq!((fs::read_to_string(folder.path(path.name())).unwrap().as_str(), files), ("next", 1));
            }
        }
    }

    #[test]
    fn nobody_but_owner_and_group_reads_a_target() {
        let home = tempfile::tempdir().unwrap();
        let (folder, path) = (Folder::new(&home.path().join("targets")), TargetPath::of("Cat owners", 0));
        folder.put(&path, &draft("x")).unwrap();
        assert_eq!(fs::metadata(folder.path(path.name())).unwrap().permissions().mode() & 0o007, 0);
        folder.remove(&path).unwrap();
        assert_eq!(folder.stat(&path).unwrap(), None);
        folder.remove(&path).unwrap();
    }
}
