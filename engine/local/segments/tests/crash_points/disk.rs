//! A disk in memory whose power can be cut before any operation. What was written and not synced is then there or not, in
//! sectors; what was created, renamed or removed and not synced is there up to some point.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use holdfast_segments::disk::{Disk, DiskFile};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// What a disk writes in one piece (the smallest in use; larger ones tear in fewer ways).
const SECTOR: usize = 512;

/// With so many pieces or fewer, every combination is tried.
const EXHAUSTIVE_MAX: usize = 4;

type Names = BTreeMap<String, usize>;

#[derive(Debug, Clone, Default)]
struct Content {
    /// As everyone reads it.
    visible: Vec<u8>,
    /// As it certainly is after a power cut.
    durable: Vec<u8>,
    /// Sectors written since the last sync, in order.
    pending: Vec<(usize, Vec<u8>)>,
    /// Sectors of a sync that failed. They may be there or not, and no later sync writes them: the operating system takes them
    /// for written.
    given_up: Vec<(usize, Vec<u8>)>,
}

impl Content {
    /// What may be there after a power cut, or not, in order.
    fn uncertain(&self) -> impl Iterator<Item = &(usize, Vec<u8>)> {
        self.given_up.iter().chain(&self.pending)
    }
}

#[derive(Debug, Clone, Default)]
struct Machine {
    files: Vec<Content>,
    names: Names,
    /// The names after each change since the last sync of the names; the first one is durable.
    history: Vec<Names>,
    operations: usize,
    /// The power goes at this operation.
    cut_at: Option<usize>,
    /// This operation fails, and nothing else.
    fails_at: Option<usize>,
}

impl Machine {
    /// Counts an operation that changes the disk; says whether the power was there.
    fn operation(&mut self) -> io::Result<()> {
        let number = self.operations;
        self.operations += 1;
        if self.cut_at.is_some_and(|cut| number >= cut) || self.fails_at == Some(number) {
            return Err(io::Error::other("no power"));
        }
        Ok(())
    }

    fn names_changed(&mut self) {
        self.history.push(self.names.clone());
    }
}

/// The disk; clones are the same disk.
#[derive(Debug, Clone)]
pub(crate) struct SimulatedDisk(Arc<Mutex<Machine>>);

/// A file of it.
#[derive(Debug)]
pub(crate) struct SimulatedFile {
    machine: Arc<Mutex<Machine>>,
    number: usize,
}

impl SimulatedDisk {
    /// An empty disk.
    pub(crate) fn new() -> Self {
        Self::of(Machine {
            history: vec![Names::new()],
            ..Machine::default()
        })
    }

    fn of(machine: Machine) -> Self {
        Self(Arc::new(Mutex::new(machine)))
    }

    fn lock(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Cuts the power at an operation, counted from now. That operation and all later ones fail; a write is half done.
    pub(crate) fn cut_at(&self, operation: usize) {
        let mut machine = self.lock();
        machine.cut_at = Some(machine.operations + operation);
    }

    /// Lets one operation fail, counted from now.
    pub(crate) fn fail_at(&self, operation: usize) {
        let mut machine = self.lock();
        machine.fails_at = Some(machine.operations + operation);
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.lock().operations
    }

    /// The process was killed: everything that was written is there, durable or not.
    pub(crate) fn killed(&self) -> Self {
        let mut machine = self.lock().clone();
        (machine.cut_at, machine.fails_at) = (None, None);
        Self::of(machine)
    }

    /// Disks as they may be after the power was cut now.
    pub(crate) fn without_power(&self, seed: u64) -> Vec<Self> {
        let machine = self.lock();
        let pieces: usize = machine
            .files
            .iter()
            .map(|file| file.uncertain().count())
            .sum();
        let mut written: Vec<Vec<bool>> = Vec::new();
        if pieces <= EXHAUSTIVE_MAX {
            for bits in 0..1_u32 << pieces {
                written.push((0..pieces).map(|piece| bits >> piece & 1 == 1).collect());
            }
        } else {
            let mut random = StdRng::seed_from_u64(seed);
            written.push(vec![true; pieces]);
            written.push(vec![false; pieces]);
            // All but one, the first ones only, the last ones only, and any.
            for _ in 0..3 {
                let at = random.random_range(0..pieces);
                written.push((0..pieces).map(|piece| piece != at).collect());
                written.push((0..pieces).map(|piece| piece < at).collect());
                written.push((0..pieces).map(|piece| piece > at).collect());
                written.push((0..pieces).map(|_| random.random_bool(0.5)).collect());
            }
        }
        let mut after = Vec::new();
        for names in &machine.history {
            for written in &written {
                after.push(machine.after(names, written));
            }
        }
        after
    }

    /// Changes a byte of a file, behind everyone's back.
    pub(crate) fn damage(&self, name: &str, offset: usize, length: usize) {
        let mut machine = self.lock();
        let number = machine.names[name];
        let file = &mut machine.files[number];
        for byte in &mut file.visible[offset..offset + length] {
            *byte ^= 0x5a;
        }
        file.durable = file.visible.clone();
    }

    /// The content of a file.
    pub(crate) fn content(&self, name: &str) -> Vec<u8> {
        let machine = self.lock();
        machine.files[machine.names[name]].visible.clone()
    }
}

impl Machine {
    fn after(&self, names: &Names, written: &[bool]) -> SimulatedDisk {
        let mut written = written.iter();
        let mut files = Vec::new();
        for file in &self.files {
            let mut durable = file.durable.clone();
            for (offset, bytes) in file.uncertain() {
                if *written.next().unwrap_or(&true) {
                    put(&mut durable, *offset, bytes);
                }
            }
            files.push(Content {
                visible: durable.clone(),
                durable,
                ..Content::default()
            });
        }
        SimulatedDisk::of(Machine {
            files,
            names: names.clone(),
            history: vec![names.clone()],
            ..Self::default()
        })
    }
}

fn put(content: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    content.resize(content.len().max(end), 0);
    content[offset..end].copy_from_slice(bytes);
}

impl Disk for SimulatedDisk {
    type File = SimulatedFile;

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.lock().names.keys().cloned().collect())
    }

    fn create(&self, name: &str) -> io::Result<SimulatedFile> {
        let mut machine = self.lock();
        machine.operation()?;
        if machine.names.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let number = machine.files.len();
        machine.files.push(Content::default());
        machine.names.insert(name.to_owned(), number);
        machine.names_changed();
        Ok(SimulatedFile {
            machine: self.0.clone(),
            number,
        })
    }

    fn open(&self, name: &str) -> io::Result<SimulatedFile> {
        let machine = self.lock();
        let number = machine.names.get(name).copied();
        Ok(SimulatedFile {
            machine: self.0.clone(),
            number: number.ok_or(io::ErrorKind::NotFound)?,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut machine = self.lock();
        machine.operation()?;
        let number = machine.names.remove(from);
        let number = number.ok_or(io::ErrorKind::NotFound)?;
        machine.names.insert(to.to_owned(), number);
        machine.names_changed();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut machine = self.lock();
        machine.operation()?;
        machine.names.remove(name).ok_or(io::ErrorKind::NotFound)?;
        machine.names_changed();
        Ok(())
    }

    fn sync_names(&self) -> io::Result<()> {
        let mut machine = self.lock();
        machine.operation()?;
        machine.history = vec![machine.names.clone()];
        Ok(())
    }
}

impl SimulatedFile {
    fn with<T>(&self, look: impl FnOnce(&mut Machine, usize) -> T) -> T {
        let mut machine = self.machine.lock().unwrap_or_else(PoisonError::into_inner);
        look(&mut machine, self.number)
    }
}

impl DiskFile for SimulatedFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.with(|machine, number| machine.files[number].visible.len() as u64))
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(|machine, number| {
            let offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let visible = &machine.files[number].visible;
            let rest = visible.get(offset..).unwrap_or_default();
            let count = rest.len().min(buffer.len());
            buffer[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(|machine, number| {
            let done = machine.operation();
            // A write that the power cut off may have got anywhere.
            let file = &mut machine.files[number];
            let mut offset = usize::try_from(offset).unwrap_or(usize::MAX);
            let mut left = bytes;
            while !left.is_empty() {
                let (piece, rest) = left.split_at(left.len().min(SECTOR - offset % SECTOR));
                put(&mut file.visible, offset, piece);
                file.pending.push((offset, piece.to_vec()));
                (left, offset) = (rest, offset + piece.len());
            }
            done
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(|machine, number| {
            let has_failed = machine.fails_at == Some(machine.operations);
            let done = machine.operation();
            let file = &mut machine.files[number];
            if has_failed {
                file.given_up.append(&mut file.pending);
            }
            done?;
            for (offset, piece) in file.pending.drain(..) {
                let sector = offset / SECTOR;
                file.given_up.retain(|(other, _)| other / SECTOR != sector);
                put(&mut file.durable, offset, &piece);
            }
            Ok(())
        })
    }
}
