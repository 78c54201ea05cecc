//! The volume, as the kernel asks for it.

use std::ffi::OsStr;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use fuser::{
    BsdFileFlags, Errno, FileAttr, FileHandle, FileType, Filesystem, FopenFlags, Generation,
    INodeNo, LockOwner, OpenFlags, RenameFlags, ReplyAttr, ReplyCreate, ReplyData, ReplyDirectory,
    ReplyEmpty, ReplyEntry, ReplyStatfs, ReplyWrite, Request, TimeOrNow, WriteFlags,
};

use super::shared::Shared;
use super::volume::{Directory, File, Node, PAGE, Volume};

/// How long the kernel may trust what it was told: nobody else changes anything.
const TRUST: Duration = Duration::from_mins(1);

pub(super) struct Fuse {
    shared: Arc<Shared>,
}

impl Fuse {
    pub(super) const fn over(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// Does something to the volume, if there is power.
    fn with<T>(&self, act: impl FnOnce(&mut Volume) -> Result<T, Errno>) -> Result<T, Errno> {
        let mut volume = self.shared.volume();
        if self.shared.faults().off {
            return Err(Errno::EIO);
        }
        act(&mut volume)
    }

    /// Lets a sync take its time; says whether it fails.
    #[expect(
        clippy::disallowed_methods,
        reason = "a slow disk is slow in real time"
    )]
    fn sync_fails(&self) -> bool {
        let delay = self.shared.faults().sync_delay;
        if !delay.is_zero() {
            std::thread::sleep(delay);
        }
        let mut faults = self.shared.faults();
        let fails = faults.failing_syncs > 0;
        faults.failing_syncs -= u32::from(fails);
        fails
    }

    fn add(&self, parent: INodeNo, name: &OsStr, node: Node) -> Result<FileAttr, Errno> {
        self.with(|volume| {
            let inode = volume.add(parent.0, name, node)?;
            attributes(volume, inode)
        })
    }
}

fn attributes(volume: &Volume, inode: u64) -> Result<FileAttr, Errno> {
    let (size, is_file) = volume.length(inode)?;
    let kind = if is_file {
        FileType::RegularFile
    } else {
        FileType::Directory
    };
    Ok(FileAttr {
        ino: INodeNo(inode),
        size,
        blocks: size.div_ceil(512),
        atime: UNIX_EPOCH,
        mtime: UNIX_EPOCH,
        ctime: UNIX_EPOCH,
        crtime: UNIX_EPOCH,
        kind,
        perm: if is_file { 0o644 } else { 0o755 },
        nlink: 1,
        uid: 0,
        gid: 0,
        rdev: 0,
        blksize: 4096,
        flags: 0,
    })
}

fn empty(result: Result<(), Errno>, reply: ReplyEmpty) {
    match result {
        Ok(()) => reply.ok(),
        Err(error) => reply.error(error),
    }
}

fn entry(result: Result<FileAttr, Errno>, reply: ReplyEntry) {
    match result {
        Ok(found) => reply.entry(&TRUST, &found, Generation(0)),
        Err(error) => reply.error(error),
    }
}

fn attr(result: Result<FileAttr, Errno>, reply: ReplyAttr) {
    match result {
        Ok(found) => reply.attr(&TRUST, &found),
        Err(error) => reply.error(error),
    }
}

impl Filesystem for Fuse {
    fn lookup(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEntry) {
        let found = self.with(|volume| {
            let inode = volume.lookup(parent.0, name)?;
            attributes(volume, inode)
        });
        entry(found, reply);
    }

    fn getattr(&self, _: &Request, inode: INodeNo, _: Option<FileHandle>, reply: ReplyAttr) {
        attr(self.with(|volume| attributes(volume, inode.0)), reply);
    }

    fn setattr(
        &self,
        _: &Request,
        inode: INodeNo,
        _: Option<u32>,
        _: Option<u32>,
        _: Option<u32>,
        size: Option<u64>,
        _: Option<TimeOrNow>,
        _: Option<TimeOrNow>,
        _: Option<SystemTime>,
        _: Option<FileHandle>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<SystemTime>,
        _: Option<BsdFileFlags>,
        reply: ReplyAttr,
    ) {
        let set = self.with(|volume| {
            if let Some(size) = size {
                volume.set_length(inode.0, size)?;
            }
            attributes(volume, inode.0)
        });
        attr(set, reply);
    }

    fn mkdir(&self, _: &Request, parent: INodeNo, name: &OsStr, _: u32, _: u32, reply: ReplyEntry) {
        let made = self.add(parent, name, Node::Directory(Directory::default()));
        entry(made, reply);
    }

    fn create(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        _: u32,
        _: u32,
        _: i32,
        reply: ReplyCreate,
    ) {
        match self.add(parent, name, Node::File(File::default())) {
            Ok(made) => reply.created(
                &TRUST,
                &made,
                Generation(0),
                FileHandle(0),
                FopenFlags::empty(),
            ),
            Err(error) => reply.error(error),
        }
    }

    fn unlink(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.with(|volume| volume.remove(parent.0, name)), reply);
    }

    fn rmdir(&self, _: &Request, parent: INodeNo, name: &OsStr, reply: ReplyEmpty) {
        empty(self.with(|volume| volume.remove(parent.0, name)), reply);
    }

    fn rename(
        &self,
        _: &Request,
        parent: INodeNo,
        name: &OsStr,
        newparent: INodeNo,
        newname: &OsStr,
        _: RenameFlags,
        reply: ReplyEmpty,
    ) {
        let renamed = self.with(|volume| volume.rename((parent.0, name), (newparent.0, newname)));
        empty(renamed, reply);
    }

    fn read(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        size: u32,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyData,
    ) {
        let found = self.with(|volume| Ok(volume.read(inode.0, offset, size as usize)?.to_vec()));
        match found {
            Ok(bytes) => reply.data(&bytes),
            Err(error) => reply.error(error),
        }
    }

    fn write(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        data: &[u8],
        _: WriteFlags,
        _: OpenFlags,
        _: Option<LockOwner>,
        reply: ReplyWrite,
    ) {
        match self.with(|volume| volume.write(inode.0, offset, data)) {
            Ok(()) => reply.written(u32::try_from(data.len()).expect("a write is below 4 GiB")),
            Err(error) => reply.error(error),
        }
    }

    /// What is called at each `close`; it makes nothing durable.
    fn flush(&self, _: &Request, _: INodeNo, _: FileHandle, _: LockOwner, reply: ReplyEmpty) {
        reply.ok();
    }

    fn fsync(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        data_only: bool,
        reply: ReplyEmpty,
    ) {
        if data_only && self.shared.faults().ignores_data_syncs {
            return reply.ok();
        }
        let fails = self.sync_fails();
        let synced = self.with(|volume| {
            if fails {
                volume.fail_sync(inode.0);
                return Err(Errno::EIO);
            }
            volume.sync_file(inode.0)
        });
        empty(synced, reply);
    }

    fn fsyncdir(&self, _: &Request, inode: INodeNo, _: FileHandle, _: bool, reply: ReplyEmpty) {
        let fails = self.sync_fails();
        let synced = self.with(|volume| {
            if fails {
                return Err(Errno::EIO);
            }
            volume.sync_directory(inode.0)
        });
        empty(synced, reply);
    }

    fn readdir(
        &self,
        _: &Request,
        inode: INodeNo,
        _: FileHandle,
        offset: u64,
        mut reply: ReplyDirectory,
    ) {
        let found = self.with(|volume| {
            let mut all = Vec::new();
            for (name, at) in volume.names(inode.0)? {
                all.push((name, attributes(volume, at)?));
            }
            Ok(all)
        });
        let all = match found {
            Ok(all) => all,
            Err(error) => return reply.error(error),
        };
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        for (n, (name, found)) in all.into_iter().enumerate().skip(from) {
            if reply.add(found.ino, n as u64 + 1, found.kind, name) {
                break;
            }
        }
        reply.ok();
    }

    fn statfs(&self, _: &Request, _: INodeNo, reply: ReplyStatfs) {
        let volume = self.shared.volume();
        let page = PAGE as u64;
        let used = volume.used() / page;
        let blocks = volume.room.map_or(used + (1 << 20), |room| room / page);
        let free = blocks.saturating_sub(used);
        reply.statfs(blocks, free, free, 1 << 20, 1 << 20, 4096, 255, 4096);
    }
}
