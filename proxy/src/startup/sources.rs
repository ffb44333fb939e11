//! What a configuration is read from: environment variables and files, with a note of every file that was asked for and
//! of its content, so that a change can be told from a touch. When to look again is `reload`'s.

use std::collections::{BTreeMap, HashMap};
use std::fs::{File, Metadata};
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use sha2::{Digest, Sha256};

use crate::state::clock::Clock;

/// The process's environment variables and clock, or a test's.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    instead: Option<Arc<HashMap<String, String>>>,
    clock: Clock,
}

impl Environment {
    /// The variables of this process.
    pub fn process() -> Self {
        Self::default()
    }

    /// These variables and no others.
    pub fn of<'v>(variables: impl IntoIterator<Item = (&'v str, &'v str)>) -> Self {
        let own = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        Self {
            instead: Some(Arc::new(variables.into_iter().map(own).collect())),
            clock: Clock::default(),
        }
    }

    /// The same variables with another clock for tokens.
    pub fn with_clock(self, clock: Clock) -> Self {
        Self { clock, ..self }
    }

    /// What tokens expire by.
    pub fn clock(&self) -> &Clock {
        &self.clock
    }

    /// A variable's value; one that is not UTF-8 counts as not set.
    pub fn variable(&self, name: &str) -> Option<String> {
        match &self.instead {
            Some(variables) => variables.get(name).cloned(),
            None => std::env::var(name).ok(),
        }
    }
}

/// The files that a reading asked for, those that were not there too, each with what was found; and the folders whose
/// files it looked for.
#[derive(Clone, Debug, Default)]
pub struct Seen {
    files: BTreeMap<PathBuf, Found>,
    folders: BTreeMap<PathBuf, Option<Vec<PathBuf>>>,
}

/// No file of a configuration is larger: components are a few megabytes, all else is text.
const MAX_FILE_BYTES: u64 = 256 * 1024 * 1024;

impl Seen {
    /// Reads a file and notes what it held.
    pub fn read(&mut self, path: &Path) -> io::Result<Vec<u8>> {
        let outcome = read(path);
        let found = match &outcome {
            Ok((state, content)) => Found::of(*state, content),
            Err(_) => Found::default(),
        };
        self.files.insert(path.to_owned(), found);
        outcome.map(|(_, content)| content)
    }

    /// The YAML files of a folder in the order of their names, and a note of them.
    pub fn list(&mut self, folder: &Path) -> io::Result<Vec<PathBuf>> {
        let outcome = list(folder);
        self.folders
            .insert(folder.to_owned(), outcome.as_ref().ok().cloned());
        outcome
    }

    /// The folders whose files count.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.folders.keys().map(PathBuf::as_path)
    }

    pub fn paths(&self) -> impl Iterator<Item = &Path> {
        self.files.keys().map(PathBuf::as_path)
    }

    /// Whether a file holds something else now, appeared or went away. Costs one `stat` for each file that was left alone.
    pub fn changed(&mut self) -> bool {
        let mut changed = false;
        for (folder, files) in &mut self.folders {
            let now = list(folder).ok();
            changed |= now != *files;
            *files = now;
        }
        for (path, found) in &mut self.files {
            if !found.is_current(path) {
                let now = read(path).map_or_else(
                    |_| Found::default(),
                    |(state, content)| Found::of(state, &content),
                );
                changed |= now.digest != found.digest;
                *found = now;
            }
        }
        changed
    }

    /// Whether both readings found the same content everywhere.
    pub fn same_content(&self, other: &Seen) -> bool {
        let contents = |seen: &Seen| {
            seen.files
                .iter()
                .map(|(p, f)| (p.clone(), f.digest))
                .collect::<Vec<_>>()
        };
        self.folders == other.folders && contents(self) == contents(other)
    }
}

#[derive(Clone, Copy, Debug, Default)]
struct Found {
    /// None for a file that could not be read.
    digest: Option<[u8; 32]>,
    /// None if the file was so young when it was read that its times cannot tell a later change.
    state: Option<FileState>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct FileState {
    device: u64,
    inode: u64,
    length: u64,
    modified: SystemTime,
    /// Also moves when the modification time is set back.
    changed_ns: (i64, i64),
}

impl FileState {
    fn of(metadata: &Metadata) -> Option<Self> {
        Some(Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            length: metadata.len(),
            modified: metadata.modified().ok()?,
            changed_ns: (metadata.ctime(), metadata.ctime_nsec()),
        })
    }
}

impl Found {
    fn of(state: Option<FileState>, content: &[u8]) -> Self {
        // A second change within the clock tick of the first leaves the same times. File systems tick every 2 s at worst.
        const COARSEST_TICK: Duration = Duration::from_secs(2);
        let settled = |state: &FileState| state.modified.elapsed().is_ok_and(|age| age > COARSEST_TICK);
        Self {
            digest: Some(Sha256::digest(content).into()),
            state: state.filter(settled),
        }
    }

    fn is_current(&self, path: &Path) -> bool {
        match (self.state, std::fs::metadata(path)) {
            (Some(before), Ok(metadata)) => FileState::of(&metadata) == Some(before),
            (None, Err(_)) => self.digest.is_none(),
            _ => false,
        }
    }
}

/// The files whose names end in `.yaml`; those that begin with a dot are an editor's or a mount's own.
fn list(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path
            .file_name()
            .and_then(|name| name.to_str())
            .unwrap_or_default();
        if name.ends_with(".yaml") && !name.starts_with('.') {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// The state is taken before the content: a change in between makes the state out of date, never the content.
fn read(path: &Path) -> io::Result<(Option<FileState>, Vec<u8>)> {
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    if !metadata.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "not a regular file"));
    }
    let mut content = Vec::with_capacity(usize::try_from(metadata.len().min(MAX_FILE_BYTES)).unwrap_or(0));
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut content)?;
    if content.len() as u64 > MAX_FILE_BYTES {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "larger than 256 MiB"));
    }
    Ok((FileState::of(&metadata), content))
}

/// An error's reason in a few words, without the number of the operating system.
pub fn reason(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "no such file".to_owned(),
        io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => {
            let text = error.to_string();
            text.split(" (os error").next().unwrap_or_default().to_lowercase()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_touched_file_is_not_a_changed_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let mut seen = Seen::default();
        seen.read(&path).unwrap();
        std::fs::write(&path, "one").unwrap();
        assert!(!seen.changed());
        std::fs::write(&path, "two").unwrap();
        assert!(seen.changed());
        assert!(!seen.changed());
    }

    #[test]
    fn a_change_within_one_clock_tick_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, "one").unwrap();
        let modified = std::fs::metadata(&path).unwrap().modified().unwrap();
        let mut seen = Seen::default();
        seen.read(&path).unwrap();
        std::fs::write(&path, "two").unwrap();
        File::options()
            .write(true)
            .open(&path)
            .unwrap()
            .set_modified(modified)
            .unwrap();
        assert!(seen.changed());
    }

    #[test]
    fn a_file_that_joins_a_folder_or_leaves_it_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let mut seen = Seen::default();
        assert!(seen.list(folder.path()).unwrap().is_empty());
        std::fs::write(folder.path().join(".a.yaml"), "").unwrap();
        std::fs::write(folder.path().join("a.txt"), "").unwrap();
        assert!(!seen.changed());
        let before = seen.clone();
        std::fs::write(folder.path().join("a.yaml"), "").unwrap();
        assert!(seen.changed() && !seen.changed());
        assert!(!seen.same_content(&before));
        std::fs::remove_file(folder.path().join("a.yaml")).unwrap();
        assert!(seen.changed() && seen.same_content(&before));
    }

    #[test]
    fn a_file_that_appears_or_goes_away_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        let mut seen = Seen::default();
        assert!(seen.read(&path).is_err());
        assert!(!seen.changed());
        std::fs::write(&path, "one").unwrap();
        assert!(seen.changed());
        std::fs::remove_file(&path).unwrap();
        assert!(seen.changed());
    }
}
