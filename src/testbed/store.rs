//! The posts of post-db, in a redb database in memory.

use std::io;

use hyper::body::Bytes;
use redb::backends::FileBackend;
use redb::{Builder, Database, Error, ReadableDatabase, TableDefinition};
use rustix::fs::{MemfdFlags, memfd_create};
use tokio::sync::{mpsc, oneshot};

const POSTS: TableDefinition<u64, &[u8]> = TableDefinition::new("posts");
/// Number of posts that are kept. Older ones are deleted, so that a long run does not fill the memory.
const KEPT: u64 = 100_000;
/// Largest number of writes in one commit.
const BATCH: usize = 256;
const CACHE_BYTES: usize = 32 << 20;

enum StoreRequest {
    Put(u64, Bytes, oneshot::Sender<Result<(), Error>>),
    Get(u64, oneshot::Sender<Result<Option<Bytes>, Error>>),
}

/// A handle to the thread of the database. redb blocks, and the event loop must not block.
#[derive(Clone)]
pub(crate) struct Store {
    requests: mpsc::Sender<StoreRequest>,
}

impl Store {
    /// Creates an empty database in an anonymous file in memory. A disk would delay writes when other processes use it, and
    /// that would disturb the experiment.
    ///
    /// # Errors
    /// If the file or the thread cannot be created.
    pub fn open() -> Result<Store, Error> {
        let file = memfd_create("posts", MemfdFlags::CLOEXEC).map_err(io::Error::from)?;
        let backend = FileBackend::new(file.into())?;
        let db = Builder::new().set_cache_size(CACHE_BYTES).create_with_backend(backend)?;
        let (requests, mut inbox) = mpsc::channel::<StoreRequest>(4096);
        let work = move || {
            while let Some(request) = inbox.blocking_recv() {
                let mut batch = vec![request];
                while batch.len() < BATCH
                    && let Ok(request) = inbox.try_recv()
                {
                    batch.push(request);
                }
                execute(&db, batch);
            }
        };
        std::thread::Builder::new().name("redb".into()).spawn(work)?;
        Ok(Store { requests })
    }

    /// # Errors
    /// An error of redb.
    pub async fn put(&self, id: u64, post: Bytes) -> Result<(), Error> {
        let (reply, answer) = oneshot::channel();
        self.call(StoreRequest::Put(id, post, reply), answer).await
    }

    /// # Errors
    /// An error of redb.
    pub async fn get(&self, id: u64) -> Result<Option<Bytes>, Error> {
        let (reply, answer) = oneshot::channel();
        self.call(StoreRequest::Get(id, reply), answer).await
    }

    async fn call<T>(&self, request: StoreRequest, answer: oneshot::Receiver<Result<T, Error>>) -> Result<T, Error> {
        let ended = || Error::Io(io::Error::other("the thread of the database has ended"));
        self.requests.send(request).await.map_err(|_closed| ended())?;
        answer.await.map_err(|_dropped| ended())?
    }
}

/// Executes a batch: all writes in one transaction, then the reads, which see these writes.
fn execute(db: &Database, batch: Vec<StoreRequest>) {
    let (mut writes, mut reads) = (Vec::new(), Vec::new());
    for request in batch {
        match request {
            StoreRequest::Put(id, post, reply) => writes.push((id, post, reply)),
            StoreRequest::Get(id, reply) => reads.push((id, reply)),
        }
    }
    if !writes.is_empty() {
        let failed = write(db, writes.iter().map(|(id, post, _)| (*id, &post[..]))).err();
        for (_, _, reply) in writes {
            // The caller may have been dropped.
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
    async fn posts_are_read_back_and_the_oldest_are_deleted() {
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
