//! Posts in a redb database that leaves nothing behind.

use std::io;

use hyper::body::Bytes;
use redb::backends::FileBackend;
use redb::{Builder, Database, Error, ReadableDatabase, TableDefinition};
use rustix::fs::{MemfdFlags, memfd_create};
use tokio::sync::{mpsc, oneshot};

const POSTS: TableDefinition<u64, &[u8]> = TableDefinition::new("posts");
/// The last so many posts are kept, so that a long run does not fill the memory.
const KEPT: u64 = 100_000;
/// Writes that arrive together are committed together, at most so many.
const BATCH: usize = 256;
const CACHE_BYTES: usize = 32 << 20;

enum Job {
    Put(u64, Bytes, oneshot::Sender<Result<(), Error>>),
    Get(u64, oneshot::Sender<Result<Option<Bytes>, Error>>),
}

/// A handle on the database's thread: redb blocks, and the event loop must not.
#[derive(Clone)]
pub(crate) struct Store {
    jobs: mpsc::Sender<Job>,
}

impl Store {
    /// An empty database, in a file without a name. It is kept in memory: a disk that others keep busy holds up writers
    /// now and then, and that is not the failure that the testbed is about.
    ///
    /// # Errors
    /// If there is no such file, or no thread, to be had.
    pub fn open() -> Result<Store, Error> {
        let file = memfd_create("posts", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
        let backend = FileBackend::new(file.into())?;
        let db = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        let (jobs, mut inbox) = mpsc::channel::<Job>(4096);
        let work = move || {
            while let Some(job) = inbox.blocking_recv() {
                let mut batch = vec![job];
                while batch.len() < BATCH
                    && let Ok(job) = inbox.try_recv()
                {
                    batch.push(job);
                }
                work_off(&db, batch);
            }
        };
        std::thread::Builder::new().name("redb".into()).spawn(work)?;
        Ok(Store { jobs })
    }

    /// # Errors
    /// What redb says.
    pub async fn put(&self, id: u64, post: Bytes) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Put(id, post, reply), answer).await
    }

    /// # Errors
    /// What redb says.
    pub async fn get(&self, id: u64) -> Result<Option<Bytes>, Error> {
        let (reply, answer) = oneshot::channel();
        self.ask(Job::Get(id, reply), answer).await
    }

    async fn ask<T>(&self, job: Job, answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
        let gone = || Error::Io(io::Error::other("the database's thread is gone"));
        self.jobs.send(job).await.map_err(|_closed| gone())?;
        answer.await.map_err(|_dropped| gone())?
    }
}

/// Writes first, in one transaction, so that a read sees the writes that it arrived with.
fn work_off(db: &Database, batch: Vec<Job>) {
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for job in batch {
        match job {
            Job::Put(id, post, reply) => writes.push((id, post, reply)),
            Job::Get(id, reply) => reads.push((id, reply)),
        }
    }
    if !writes.is_empty() {
        let failed = write(db, writes.iter().map(|(id, post, _)| (*id, &post[..]))).err();
        for (_, _, reply) in writes {
            // Whoever asked may have left.
            let _ = reply.send(failed.as_ref().map_or(Ok(()), |e| Err(Error::Io(io::Error::other(e.to_string())))));
        }
    }
    for (id, reply) in reads {
        let _ = reply.send(read(db, id));
    }
}

fn write<'a>(db: &Database, posts: impl Iterator<Item = (u64, &'a [u8])>) -> Result<(), Error> {
    let transaction = db.begin_write()?;
    {
        let mut table = transaction.open_table(POSTS)?;
        for (id, post) in posts {
            table.insert(id, post)?;
            if let Some(old) = id.checked_sub(KEPT) {
                table.remove(old)?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}

fn read(db: &Database, id: u64) -> Result<Option<Bytes>, Error> {
    let table = match db.begin_read()?.open_table(POSTS) {
        Ok(table) => table,
        Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
        Err(e) => return Err(e.into()),
    };
    Ok(table.get(id)?.map(|post| Bytes::copy_from_slice(post.value())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn posts_are_read_back_and_the_oldest_forgotten() {
        let store = Store::open().unwrap();
        assert_eq!(store.get(1).await.unwrap(), None);
        store.put(1, Bytes::from_static(b"one")).await.unwrap();
        store.put(2, Bytes::from_static(b"two")).await.unwrap();
        assert_eq!(store.get(1).await.unwrap().as_deref(), Some(&b"one"[..]));
        store.put(1 + KEPT, Bytes::from_static(b"new")).await.unwrap();
        assert_eq!(store.get(1).await.unwrap(), None);
        assert_eq!(store.get(2).await.unwrap().as_deref(), Some(&b"two"[..]));
        assert_eq!(store.get(1 + KEPT).await.unwrap().as_deref(), Some(&b"new"[..]));
    }
}
