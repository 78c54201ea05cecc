//! Files and directories in memory, twice: as whoever writes sees them, and as they would be found after
//! the power was gone.
//!
//! What a sync must do is taken from POSIX at its strictest: `fsync` of a file makes its bytes and its
//! length durable and nothing else; a name is durable once its directory was synced. A rename is one
//! change: after a power loss it has happened or not.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};

use fuser::Errno;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

/// Bytes per page: a page is kept whole or not at all.
pub(super) const PAGE: usize = 4096;

/// The root directory.
pub(super) const ROOT: u64 = 1;

/// What a power loss leaves of what was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PowerLoss {
    /// None of it.
    Everything,
    /// Each page, each length and each change of a name by the toss of a coin, from a seed.
    ByCoin(u64),
}

#[derive(Debug, Clone, Default)]
pub(super) struct File {
    live: Vec<u8>,
    synced: Vec<u8>,
    /// Pages written since the last sync.
    dirty: BTreeSet<usize>,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Directory {
    live: BTreeMap<OsString, u64>,
    synced: BTreeMap<OsString, u64>,
}

#[derive(Debug, Clone)]
pub(super) enum Node {
    File(File),
    Directory(Directory),
}

/// A change of names that is not synced.
#[derive(Debug, Clone)]
enum Change {
    Link(u64, OsString, u64),
    Unlink(u64, OsString),
    Rename((u64, OsString), (u64, OsString), u64),
}

impl Change {
    fn touches(&self, directory: u64) -> bool {
        match self {
            Self::Link(at, ..) | Self::Unlink(at, _) => *at == directory,
            Self::Rename((from, _), (to, _), _) => *from == directory || *to == directory,
        }
    }
}

/// All files and directories.
#[derive(Debug, Clone)]
pub(super) struct Volume {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    changes: Vec<Change>,
    /// How many bytes there is room for.
    pub(super) room: Option<u64>,
    /// Most pages of one file that were ever not synced.
    pub(super) unsynced_max: usize,
}

impl Default for Volume {
    fn default() -> Self {
        let root = Node::Directory(Directory::default());
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            changes: Vec::new(),
            room: None,
            unsynced_max: 0,
        }
    }
}

impl File {
    fn pages(length: usize) -> usize {
        length.div_ceil(PAGE)
    }

    /// The bytes of a page, with zeros where there are none.
    fn page(bytes: &[u8], page: usize) -> [u8; PAGE] {
        let mut found = [0; PAGE];
        let from = (page * PAGE).min(bytes.len());
        let there = &bytes[from..bytes.len().min(from + PAGE)];
        found[..there.len()].copy_from_slice(there);
        found
    }

    fn set_length(&mut self, length: usize) {
        let boundary = length.min(self.live.len()) / PAGE;
        self.live.resize(length, 0);
        self.dirty.insert(boundary);
    }

    fn write(&mut self, offset: usize, data: &[u8]) {
        let end = offset + data.len();
        if end > self.live.len() {
            self.live.resize(end, 0);
        }
        self.live[offset..end].copy_from_slice(data);
        self.dirty.extend(offset / PAGE..Self::pages(end));
    }

    fn sync(&mut self) {
        self.synced.resize(self.live.len(), 0);
        for page in std::mem::take(&mut self.dirty) {
            let from = page * PAGE;
            let to = self.live.len().min(from + PAGE);
            if from < to {
                self.synced[from..to].copy_from_slice(&self.live[from..to]);
            }
        }
    }

    fn lose_power(&mut self, coins: &mut Option<StdRng>) {
        if let Some(coins) = coins {
            let longer = self.live.len().max(self.synced.len());
            let mut found = Vec::with_capacity(longer);
            for page in 0..Self::pages(longer) {
                let (live, synced) = (Self::page(&self.live, page), Self::page(&self.synced, page));
                let kept = live != synced && coins.random();
                found.extend(if kept { live } else { synced });
            }
            let lengths_differ = self.live.len() != self.synced.len();
            let length = if lengths_differ && coins.random() {
                self.live.len()
            } else {
                self.synced.len()
            };
            found.resize(length, 0);
            self.synced = found;
        }
        self.live.clone_from(&self.synced);
        self.dirty.clear();
    }
}

impl Volume {
    pub(super) fn node(&self, inode: u64) -> Result<&Node, Errno> {
        self.nodes.get(&inode).ok_or(Errno::ENOENT)
    }

    fn file(&mut self, inode: u64) -> Result<&mut File, Errno> {
        match self.nodes.get_mut(&inode) {
            Some(Node::File(file)) => Ok(file),
            Some(Node::Directory(_)) => Err(Errno::EISDIR),
            None => Err(Errno::ENOENT),
        }
    }

    fn directory(&mut self, inode: u64) -> Result<&mut Directory, Errno> {
        match self.nodes.get_mut(&inode) {
            Some(Node::Directory(directory)) => Ok(directory),
            Some(Node::File(_)) => Err(Errno::ENOTDIR),
            None => Err(Errno::ENOENT),
        }
    }

    /// Bytes of a file, and whether it is one.
    pub(super) fn length(&self, inode: u64) -> Result<(u64, bool), Errno> {
        Ok(match self.node(inode)? {
            Node::File(file) => (file.live.len() as u64, true),
            Node::Directory(_) => (0, false),
        })
    }

    /// Bytes of all files that have a name.
    pub(super) fn used(&self) -> u64 {
        let reached = self.reachable();
        let files = self.nodes.iter().map(|(inode, node)| match node {
            Node::File(file) if reached.contains(inode) => File::pages(file.live.len()) * PAGE,
            Node::File(_) | Node::Directory(_) => 0,
        });
        files.sum::<usize>() as u64
    }

    fn has_room_for(&self, more: usize) -> bool {
        self.room
            .is_none_or(|room| self.used() + more as u64 <= room)
    }

    pub(super) fn lookup(&mut self, parent: u64, name: &OsStr) -> Result<u64, Errno> {
        let found = self.directory(parent)?.live.get(name);
        found.copied().ok_or(Errno::ENOENT)
    }

    pub(super) fn names(&mut self, inode: u64) -> Result<Vec<(OsString, u64)>, Errno> {
        let names = &self.directory(inode)?.live;
        Ok(names.iter().map(|(name, at)| (name.clone(), *at)).collect())
    }

    pub(super) fn add(&mut self, parent: u64, name: &OsStr, node: Node) -> Result<u64, Errno> {
        if self.directory(parent)?.live.contains_key(name) {
            return Err(Errno::EEXIST);
        }
        if !self.has_room_for(PAGE) {
            return Err(Errno::ENOSPC);
        }
        let inode = self.next;
        self.next += 1;
        self.nodes.insert(inode, node);
        let names = &mut self.directory(parent)?.live;
        names.insert(name.to_owned(), inode);
        self.changes
            .push(Change::Link(parent, name.to_owned(), inode));
        Ok(inode)
    }

    /// Takes a name away. A node without a name goes at the next power loss, for it may be open.
    pub(super) fn remove(&mut self, parent: u64, name: &OsStr) -> Result<(), Errno> {
        let inode = self.lookup(parent, name)?;
        if matches!(self.node(inode)?, Node::Directory(directory) if !directory.live.is_empty()) {
            return Err(Errno::ENOTEMPTY);
        }
        self.directory(parent)?.live.remove(name);
        self.changes.push(Change::Unlink(parent, name.to_owned()));
        Ok(())
    }

    pub(super) fn rename(&mut self, from: (u64, &OsStr), to: (u64, &OsStr)) -> Result<(), Errno> {
        let inode = self.lookup(from.0, from.1)?;
        if let Ok(there) = self.lookup(to.0, to.1)
            && matches!(self.node(there)?, Node::Directory(directory) if !directory.live.is_empty())
        {
            return Err(Errno::ENOTEMPTY);
        }
        self.directory(from.0)?.live.remove(from.1);
        self.directory(to.0)?.live.insert(to.1.to_owned(), inode);
        self.changes.push(Change::Rename(
            (from.0, from.1.to_owned()),
            (to.0, to.1.to_owned()),
            inode,
        ));
        Ok(())
    }

    pub(super) fn read(&mut self, inode: u64, offset: u64, size: usize) -> Result<&[u8], Errno> {
        let live = &self.file(inode)?.live;
        let from = usize::try_from(offset).map_or(live.len(), |offset| offset.min(live.len()));
        Ok(&live[from..live.len().min(from + size)])
    }

    pub(super) fn write(&mut self, inode: u64, offset: u64, data: &[u8]) -> Result<(), Errno> {
        let offset = usize::try_from(offset).map_err(|_| Errno::EFBIG)?;
        let length = self.file(inode)?.live.len();
        let grown = File::pages(offset + data.len()).saturating_sub(File::pages(length));
        if grown > 0 && !self.has_room_for(grown * PAGE) {
            return Err(Errno::ENOSPC);
        }
        let file = self.file(inode)?;
        file.write(offset, data);
        let unsynced = file.dirty.len();
        self.unsynced_max = self.unsynced_max.max(unsynced);
        Ok(())
    }

    pub(super) fn set_length(&mut self, inode: u64, length: u64) -> Result<(), Errno> {
        let length = usize::try_from(length).map_err(|_| Errno::EFBIG)?;
        let grown = File::pages(length).saturating_sub(File::pages(self.file(inode)?.live.len()));
        if grown > 0 && !self.has_room_for(grown * PAGE) {
            return Err(Errno::ENOSPC);
        }
        self.file(inode)?.set_length(length);
        Ok(())
    }

    pub(super) fn sync_file(&mut self, inode: u64) -> Result<(), Errno> {
        self.file(inode)?.sync();
        Ok(())
    }

    /// A sync that fails: what it should have written counts as clean from then on, as on Linux, and is not
    /// durable.
    pub(super) fn fail_sync(&mut self, inode: u64) {
        if let Ok(file) = self.file(inode) {
            file.dirty.clear();
        }
    }

    pub(super) fn sync_directory(&mut self, inode: u64) -> Result<(), Errno> {
        self.directory(inode)?;
        let (synced, left) = std::mem::take(&mut self.changes)
            .into_iter()
            .partition(|change| change.touches(inode));
        self.changes = left;
        self.make_durable(synced);
        Ok(())
    }

    fn make_durable(&mut self, changes: Vec<Change>) {
        for change in changes {
            match change {
                Change::Link(parent, name, inode) => self.name_durably(parent, name, inode),
                Change::Unlink(parent, name) => self.unname_durably(parent, &name),
                Change::Rename((from, old), (to, new), inode) => {
                    self.unname_durably(from, &old);
                    self.name_durably(to, new, inode);
                }
            }
        }
    }

    fn name_durably(&mut self, parent: u64, name: OsString, inode: u64) {
        if let Ok(directory) = self.directory(parent) {
            directory.synced.insert(name, inode);
        }
    }

    fn unname_durably(&mut self, parent: u64, name: &OsStr) {
        if let Ok(directory) = self.directory(parent) {
            directory.synced.remove(name);
        }
    }

    /// The power goes. What is left is durable, and all there is.
    pub(super) fn lose_power(&mut self, loss: PowerLoss) {
        let mut coins = match loss {
            PowerLoss::Everything => None,
            PowerLoss::ByCoin(seed) => Some(StdRng::seed_from_u64(seed)),
        };
        let mut changes = std::mem::take(&mut self.changes);
        changes.retain(|_| coins.as_mut().is_some_and(RngExt::random));
        self.make_durable(changes);
        for node in self.nodes.values_mut() {
            match node {
                Node::File(file) => file.lose_power(&mut coins),
                Node::Directory(directory) => directory.live.clone_from(&directory.synced),
            }
        }
        self.forget_unreachable();
    }

    fn forget_unreachable(&mut self) {
        let reached = self.reachable();
        self.nodes.retain(|inode, _| reached.contains(inode));
    }

    fn reachable(&self) -> BTreeSet<u64> {
        let (mut reached, mut ahead) = (BTreeSet::new(), vec![ROOT]);
        while let Some(inode) = ahead.pop() {
            if let (true, Some(Node::Directory(directory))) =
                (reached.insert(inode), self.nodes.get(&inode))
            {
                ahead.extend(directory.live.values());
            }
        }
        reached
    }
}
