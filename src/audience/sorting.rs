//! Puts any number of members in order and drops double ones, in little memory: sorted runs go to nameless files
//! beside the store and are merged when they are read.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::fs::File;
use std::io::{self, BufReader, BufWriter, Read, Write as _};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::member::{Member, order};
use super::room;

/// Bytes of members that are sorted in memory at once. A run takes as much again for the places.
const RUN: usize = 12 << 20;

/// What is read of each file at once: a few hundred files are a few megabytes.
const BUFFER: usize = 32 << 10;

/// Members in order, each once. Read from disk.
pub(super) type Members = Box<dyn Iterator<Item = io::Result<Member>>>;

/// Takes members in any order.
pub(super) struct Sorter {
    folder: PathBuf,
    text: String,
    places: Vec<(u32, u32)>,
    runs: Vec<Arc<File>>,
}

/// Members, sorted; can be read again and again.
pub(super) struct Sorted(Vec<Arc<File>>);

impl Sorter {
    pub(super) fn new(folder: &Path) -> Self {
        Self { folder: folder.to_owned(), text: String::new(), places: Vec::new(), runs: Vec::new() }
    }

    pub(super) fn push(&mut self, member: &Member) -> io::Result<()> {
        let text = member.as_str();
        if self.text.len() + text.len() > RUN || self.places.len() >= RUN / 16 {
            self.spill()?;
        }
        let start = self.text.len() as u32;
        self.text.push_str(text);
        self.places.push((start, text.len() as u32));
        Ok(())
    }

    pub(super) fn finish(mut self) -> io::Result<Sorted> {
        self.spill()?;
        Ok(Sorted(self.runs))
    }

    fn spill(&mut self) -> io::Result<()> {
        let text = |place: &(u32, u32)| &self.text[place.0 as usize..(place.0 + place.1) as usize];
        self.places.sort_unstable_by(|a, b| order(text(a), text(b)).then_with(|| text(a).cmp(text(b))));
        room::check(&self.folder)?;
        let mut file = BufWriter::new(tempfile::tempfile_in(&self.folder)?);
        for place in &self.places {
            file.write_all(&(place.1 as u16).to_le_bytes())?;
            file.write_all(text(place).as_bytes())?;
        }
        self.runs.push(Arc::new(file.into_inner().map_err(io::IntoInnerError::into_error)?));
        (self.text, self.places) = (String::new(), Vec::new());
        Ok(())
    }
}

impl Sorted {
    /// All of them from the first on.
    pub(super) fn members(&self) -> Members {
        let runs = self.0.iter().map(|file| Box::new(Run(reader(file))) as Members);
        merge(runs.collect())
    }
}

/// One reader of a file that others read, too.
pub(super) fn reader(file: &Arc<File>) -> BufReader<impl Read + use<>> {
    BufReader::with_capacity(BUFFER, At { file: file.clone(), at: 0 })
}

struct At {
    file: Arc<File>,
    at: u64,
}

impl Read for At {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.file.read_at(buffer, self.at)?;
        self.at += read as u64;
        Ok(read)
    }
}

struct Run<R>(R);

impl<R: io::BufRead> Iterator for Run<R> {
    type Item = io::Result<Member>;

    fn next(&mut self) -> Option<Self::Item> {
        let next = |from: &mut R| {
            if from.fill_buf()?.is_empty() {
                return Ok(None);
            }
            let mut length = [0; 2];
            from.read_exact(&mut length)?;
            let mut text = vec![0; usize::from(u16::from_le_bytes(length))];
            from.read_exact(&mut text)?;
            let text = String::from_utf8(text).map_err(|_| io::Error::from(io::ErrorKind::InvalidData))?;
            Ok(Some(Member::kept(&text)))
        };
        next(&mut self.0).transpose()
    }
}

/// Several sorted streams as one, each member once.
pub(super) fn merge(mut streams: Vec<Members>) -> Members {
    if streams.len() == 1 {
        return streams.pop().map_or_else(|| Box::new(std::iter::empty()) as Members, once_each);
    }
    let count = streams.len();
    let mut heads = BinaryHeap::with_capacity(count);
    let (mut begun, mut failed) = (false, false);
    once_each(Box::new(std::iter::from_fn(move || {
        let mut pull = |index: usize, heads: &mut BinaryHeap<Reverse<(Member, usize)>>| {
            match streams[index].next() {
                Some(Ok(member)) => heads.push(Reverse((member, index))),
                Some(Err(error)) => return Err(error),
                None => {}
            }
            Ok(())
        };
        if failed {
            return None;
        }
        if !begun {
            begun = true;
            for index in 0..count {
                if let Err(error) = pull(index, &mut heads) {
                    failed = true;
                    return Some(Err(error));
                }
            }
        }
        let Reverse((member, index)) = heads.pop()?;
        if let Err(error) = pull(index, &mut heads) {
            failed = true;
            return Some(Err(error));
        }
        Some(Ok(member))
    })))
}

fn once_each(members: Members) -> Members {
    let mut last: Option<Member> = None;
    Box::new(members.filter(move |member| match member {
        Ok(member) if last.as_ref() == Some(member) => false,
        Ok(member) => {
            last = Some(member.clone());
            true
        }
        Err(_) => true,
    }))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    fn sorted(members: &[Member], spill_every: usize) -> Vec<Member> {
        let folder = tempfile::tempdir().unwrap();
        let mut sorter = Sorter::new(folder.path());
        for (number, member) in members.iter().enumerate() {
            sorter.push(member).unwrap();
            if number % spill_every == 0 {
                sorter.spill().unwrap();
            }
        }
        let sorted = sorter.finish().unwrap();
        let twice = [(); 2].map(|()| sorted.members().collect::<io::Result<Vec<_>>>().unwrap());
        assert_eq!(twice[0], twice[1]);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "the files have no names");
        twice.into_iter().next().unwrap()
    }

    #[test]
    fn nothing_is_written_where_no_room_is_left() {
        let mut sorter = Sorter::new(Path::new("/proc"));
        sorter.push(&Member::kept("a")).unwrap();
        assert_eq!(sorter.finish().map(drop).unwrap_err().kind(), io::ErrorKind::StorageFull);
    }

    proptest! {
        #[test]
        fn any_members_come_out_in_order_and_once(texts in prop::collection::vec("[a-cA]{1,4}", 0..60), every in 1usize..9) {
            let members: Vec<Member> = texts.iter().map(|text| Member::kept(text)).collect();
            let expected: Vec<Member> = members.iter().cloned().collect::<BTreeSet<_>>().into_iter().collect();
            prop_assert_eq!(sorted(&members, every), expected);
        }
    }
}
