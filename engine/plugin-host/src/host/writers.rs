//! `object-writer`: new objects, handed on to the storage as they come.

use bytes::{Bytes, BytesMut};
use wasmtime::component::Resource;

use crate::bindings::output::HostObjectWriter;
use crate::bridge::{Piece, Question};
use crate::gathered;
use crate::handles::{ObjectHandle, StoredObject, WriterHandle};
use crate::limits::Limit;
use crate::state::CallState;
use crate::stop::{HostError, Stop};

/// How many bytes of an object gather before they go to the storage. An object that is not larger is written at once.
const PIECE_BYTES: usize = 512 * 1024;

impl CallState {
    /// Begins an object.
    pub(crate) fn create_object(&mut self) -> Result<Resource<WriterHandle>, Stop> {
        self.spend(Limit::OpenObjects, 1)?;
        let number = self.made.objects;
        self.made.objects = number.saturating_add(1);
        let (whole, rest) = (None, BytesMut::new());
        self.push(WriterHandle { number, whole, rest, begun: false, size: 0, finished: false })
    }

    /// The writer, if it still takes something.
    fn open_writer(&mut self, writer: &Resource<WriterHandle>) -> Result<&mut WriterHandle, Stop> {
        let writer = self.table.get_mut(writer)?;
        match writer.finished {
            true => Err(Stop::Broken("it wrote to an object that was finished".into())),
            false => Ok(writer),
        }
    }

    /// Hands on what has gathered, if it is as much as that.
    async fn hand_on(&mut self, writer: &Resource<WriterHandle>, least: usize) -> Result<(), Stop> {
        let handle = self.open_writer(writer)?;
        if handle.rest.len() < least.max(1) {
            return Ok(());
        }
        let piece = Piece::Bytes(handle.rest.split().freeze());
        self.append(writer, piece).await
    }

    async fn append(&mut self, writer: &Resource<WriterHandle>, piece: Piece) -> Result<(), Stop> {
        let handle = self.open_writer(writer)?;
        handle.begun = true;
        let number = handle.number;
        self.ask(|reply| Question::Append { number, piece, reply }).await
    }

    /// Something else follows what was a copy of a whole object so far: then its bytes move after all.
    async fn move_whole(&mut self, writer: &Resource<WriterHandle>) -> Result<(), Stop> {
        let Some(object) = self.open_writer(writer)?.whole.take() else { return Ok(()) };
        let length = object.size();
        self.copy_range(writer, object, 0, length).await
    }

    /// Appends a range of an object: a short one to what gathers.
    async fn copy_range(
        &mut self,
        writer: &Resource<WriterHandle>,
        object: ObjectHandle,
        offset: u64,
        length: u64,
    ) -> Result<(), Stop> {
        self.spend(Limit::WrittenBytes, length)?;
        if length == 0 {
            return Ok(());
        }
        if length >= PIECE_BYTES as u64 {
            self.hand_on(writer, 0).await?;
            let object = self.stored(object).await?;
            return self.append(writer, Piece::Range { object, offset, length }).await;
        }
        let bytes =
            self.bytes_of(object, vec![(offset, length)]).await?.into_iter().next().unwrap_or_default();
        self.gather(writer, &bytes).await
    }

    /// An object that the storage has: one that gathers is written now, with the others.
    pub(crate) async fn stored(&mut self, object: ObjectHandle) -> Result<StoredObject, Stop> {
        let number = match object {
            ObjectHandle::Found(stored) | ObjectHandle::Written(stored) => return Ok(stored),
            ObjectHandle::Gathered { number, .. } => number,
        };
        if self.made.gathered.body(number).is_some() {
            self.write_gathered().await?;
        }
        let entry = self.made.gathered.entry(number);
        let entry = entry.ok_or_else(|| Stop::Broken("an object of this call is gone".into()))?;
        Ok(StoredObject::new(entry.clone()))
    }

    async fn write_gathered(&mut self) -> Result<(), Stop> {
        let objects = self.made.gathered.take();
        let bytes: u64 = objects.iter().map(|(_, body)| body.len() as u64).sum();
        let written = self.ask(|reply| Question::Write { objects, reply }).await?;
        self.made.gathered.are_written(written);
        self.made.object_bytes = self.made.object_bytes.saturating_add(bytes);
        Ok(())
    }

    async fn gather(&mut self, writer: &Resource<WriterHandle>, bytes: &[u8]) -> Result<(), Stop> {
        self.open_writer(writer)?.rest.extend_from_slice(bytes);
        self.hand_on(writer, PIECE_BYTES.saturating_add(1)).await
    }
}

impl HostObjectWriter for CallState {
    async fn write(&mut self, writer: Resource<WriterHandle>, data: Vec<u8>) -> Result<(), HostError> {
        let bytes = data.len() as u64;
        self.move_whole(&writer).await?;
        self.spend(Limit::WrittenBytes, bytes)?;
        let handle = self.open_writer(&writer)?;
        handle.size = handle.size.saturating_add(bytes);
        if data.len() < PIECE_BYTES {
            return Ok(self.gather(&writer, &data).await?);
        }
        self.hand_on(&writer, 0).await?;
        Ok(self.append(&writer, Piece::Bytes(Bytes::from(data))).await?)
    }

    async fn copy(
        &mut self,
        writer: Resource<WriterHandle>,
        source: Resource<ObjectHandle>,
        offset: u64,
        length: u64,
    ) -> Result<(), HostError> {
        let object = self.table.get(&source)?.clone();
        if offset.checked_add(length).is_none_or(|end| end > object.size()) {
            let message = format!("{length} bytes from {offset} lie outside of its {}", object.size());
            return Err(HostError::failure("not-found", message, object.path()));
        }
        self.move_whole(&writer).await?;
        let handle = self.open_writer(&writer)?;
        let first = handle.size == 0;
        handle.size = handle.size.saturating_add(length);
        if first && offset == 0 && length == object.size() {
            handle.whole = Some(object);
            return Ok(());
        }
        Ok(self.copy_range(&writer, object, offset, length).await?)
    }

    async fn finish(&mut self, writer: Resource<WriterHandle>) -> Result<Resource<ObjectHandle>, HostError> {
        let handle = self.table.get_mut(&writer)?;
        if handle.finished {
            return Err(Stop::Broken("it finished an object twice".into()).into());
        }
        handle.finished = true;
        let (number, size, begun) = (handle.number, handle.size, handle.begun);
        let (whole, rest) = (handle.whole.take(), std::mem::take(&mut handle.rest).freeze());
        self.release_object();
        // An object that is copied whole is that object: no byte moves.
        if let Some(object) = whole {
            return Ok(self.push(object)?);
        }
        if !begun && rest.len() <= gathered::OBJECT_BYTES_MAX {
            if self.made.gathered.add(number, rest) {
                self.write_gathered().await?;
            }
            return Ok(self.push(ObjectHandle::Gathered { number, size })?);
        }
        let entry = self.ask(|reply| Question::Finish { number, rest, reply }).await?;
        self.made.object_bytes = self.made.object_bytes.saturating_add(size);
        Ok(self.push(ObjectHandle::Written(StoredObject::new(entry)))?)
    }

    async fn drop(&mut self, writer: Resource<WriterHandle>) -> wasmtime::Result<()> {
        let writer = self.delete(writer)?;
        if !writer.finished {
            self.release_object();
        }
        if writer.begun && !writer.finished {
            let number = writer.number;
            self.ask(|reply| Question::Abandon { number, reply }).await?;
        }
        Ok(())
    }
}
