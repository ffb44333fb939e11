//! Keeps compiled components on disk between starts; what is compiled, and when, is left to `plugin` and `snapshot`.
//!
//! A snapshot is never kept: it holds a plugin's settings, and they may be secret. The names of files say which component
//! they are of and nothing else.
//!
//! A compiled component is machine code that runs without further checks, so a file is only ever used if it was made
//! here: it lies in a folder that only we can write to, is ours, and carries the checksum of what was written.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::LoadProblem;
use crate::inspect::Digest;

/// A folder of `.cwasm` files, or nothing.
pub struct CompileCache(Option<Folder>);

struct Folder {
    path: PathBuf,
    /// Our user id, as the file system sees it.
    owner: u32,
    /// Changes with Wasmtime's version and with every setting that changes the code.
    engine_key: String,
}

/// Largest file that is read back: a Python guest compiles to 35 MB.
const LARGEST_FILE: u64 = 256 << 20;
const CHECKSUM_BYTES: usize = 32;

impl CompileCache {
    /// A folder that cannot be used is said once and then done without.
    pub fn open(dir: Option<&Path>, engine: &Engine) -> CompileCache {
        let folder = dir.and_then(|dir| {
            let opened = Folder::open(dir, engine);
            opened
                .map_err(|why| log::warn!("compiled plugins are not kept in {}: {why}", dir.display()))
                .ok()
        });
        CompileCache(folder)
    }

    /// From disk where it is there and ours, else compiled and written there.
    pub fn compiled(&self, engine: &Engine, bytes: &[u8], digest: &Digest) -> Result<Component, LoadProblem> {
        let kept = self.0.as_ref().and_then(|folder| folder.load(engine, digest));
        if let Some(component) = kept {
            return Ok(component);
        }
        let component = compiled(engine, bytes)?;
        if let Some(folder) = &self.0
            && let Err(why) = folder.store(&component, digest)
        {
            log::warn!(
                "a compiled plugin was not kept in {}: {why}",
                folder.path.display()
            );
        }
        Ok(component)
    }
}

/// Compiled, and kept nowhere.
pub fn compiled(engine: &Engine, bytes: &[u8]) -> Result<Component, LoadProblem> {
    Component::from_binary(engine, bytes)
        .map_err(|why| LoadProblem::Compile(format!("{why:#}").replace('\n', " ")))
}

impl Folder {
    fn open(path: &Path, engine: &Engine) -> io::Result<Folder> {
        DirBuilder::new().recursive(true).mode(0o700).create(path)?;
        let mut key = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut key);
        // a change of how files are written here makes them other files
        env!("CARGO_PKG_VERSION").hash(&mut key);
        let mut folder = Folder {
            path: path.to_owned(),
            owner: 0,
            engine_key: format!("{:016x}", key.finish()),
        };
        // who owns what we write is who we are
        let probe = format!(".owner.{}.{}", std::process::id(), unique());
        folder.owner = folder.write_new(&probe, &[])?;
        fs::remove_file(folder.path.join(probe))?;
        let meta = fs::metadata(path)?;
        if !is_ours_alone(&meta, folder.owner) {
            return Err(io::Error::other(
                "others may write to it (it should be yours, with mode 0700)",
            ));
        }
        Ok(folder)
    }

    fn file(&self, digest: &Digest) -> PathBuf {
        self.path.join(format!("{digest}-{}.cwasm", self.engine_key))
    }

    fn load(&self, engine: &Engine, digest: &Digest) -> Option<Component> {
        let code = self.read(&self.file(digest)).ok()?;
        deserialize(engine, &code).ok()
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let refused = |why| Err(io::Error::other(why));
        if fs::symlink_metadata(path)?.is_symlink() {
            return refused("a link");
        }
        let file = File::open(path)?;
        let meta = file.metadata()?;
        if !meta.is_file() || !is_ours_alone(&meta, self.owner) || meta.len() > LARGEST_FILE {
            return refused("not our file");
        }
        let mut bytes = Vec::new();
        file.take(LARGEST_FILE).read_to_end(&mut bytes)?;
        let Some((checksum, code)) = bytes.split_at_checked(CHECKSUM_BYTES) else {
            return refused("too short");
        };
        if Digest::of(code).bytes() != checksum {
            return refused("not what was written");
        }
        Ok(bytes.split_off(CHECKSUM_BYTES))
    }

    fn store(&self, component: &Component, digest: &Digest) -> io::Result<()> {
        let code = component
            .serialize()
            .map_err(|why| io::Error::other(why.to_string()))?;
        let mut bytes = Vec::with_capacity(CHECKSUM_BYTES + code.len());
        bytes.extend_from_slice(Digest::of(&code).bytes());
        bytes.extend_from_slice(&code);
        // complete or not there at all, also when two processes start at once
        let temporary = format!(".{digest}-{}.{}", std::process::id(), unique());
        self.write_new(&temporary, &bytes)?;
        let from = self.path.join(temporary);
        fs::rename(&from, self.file(digest)).inspect_err(|_| drop(fs::remove_file(&from)))
    }

    /// Writes a file that must not be there yet, and says who owns it.
    fn write_new(&self, name: &str, bytes: &[u8]) -> io::Result<u32> {
        let path = self.path.join(name);
        // a left-over of a process that was killed
        fs::remove_file(&path).or_else(ignore_missing)?;
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        let written = file.write_all(bytes).and_then(|()| file.metadata());
        written
            .map(|meta| meta.uid())
            .inspect_err(|_| drop(fs::remove_file(&path)))
    }
}

fn is_ours_alone(meta: &fs::Metadata, owner: u32) -> bool {
    const WRITABLE_BY_OTHERS: u32 = 0o022;
    meta.uid() == owner && meta.mode() & WRITABLE_BY_OTHERS == 0
}

fn ignore_missing(why: io::Error) -> io::Result<()> {
    if why.kind() == io::ErrorKind::NotFound {
        Ok(())
    } else {
        Err(why)
    }
}

fn unique() -> u64 {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    NEXT.fetch_add(1, Ordering::Relaxed)
}

/// Wasmtime itself refuses code of another version or other settings.
#[expect(unsafe_code, reason = "the only way to use compiled code")]
fn deserialize(engine: &Engine, code: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `code` is what `Component::serialize` gave us. `Folder::read` has checked that the file is ours, that
    // nobody else can write to it, and by its checksum that it is what we wrote.
    unsafe { Component::deserialize(engine, code) }
}
