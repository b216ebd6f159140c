//! Compresses a file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use flate2::GzBuilder;
use zstd::bulk::Compressor;
use zstd::zstd_safe::CParameter;

use super::seek_table::SeekTable;
use crate::backups::{Compression, Origin};

/// How much text is read at once; with zstd, that of one frame. Logs of tests have several, too.
pub(super) const BLOCK_BYTES: usize = if cfg!(test) { 4096 } else { 1 << 20 };

/// What both formats take where nothing is said: most of the gain at a fraction of the time.
const ZSTD_LEVEL: i32 = 3;

/// Writes what `source` has, compressed, to `out`, and tells how many bytes that were. Stops with an
/// error of kind `Interrupted` as soon as `is_ended`.
pub(crate) fn compress(
    source: &File,
    origin: Origin,
    compression: Compression,
    out: &mut File,
    is_ended: impl Fn() -> bool,
) -> io::Result<u64> {
    let blocks = Blocks { source, offset: 0, is_ended };
    match compression {
        Compression::Zstd => zstd(blocks, origin, out),
        Compression::Gzip => gzip(blocks, origin, out),
    }
}

struct Blocks<'f, E> {
    source: &'f File,
    offset: u64,
    is_ended: E,
}

impl<E: Fn() -> bool> Blocks<'_, E> {
    /// Fills `block` with what comes next; fewer bytes at the end.
    fn read(&mut self, block: &mut Vec<u8>) -> io::Result<usize> {
        if (self.is_ended)() {
            return Err(io::ErrorKind::Interrupted.into());
        }
        block.resize(BLOCK_BYTES, 0);
        let mut filled = 0;
        while filled < block.len() {
            match self.source.read_at(&mut block[filled..], self.offset)? {
                0 => break,
                count => {
                    filled += count;
                    self.offset += count as u64;
                }
            }
        }
        block.truncate(filled);
        Ok(filled)
    }
}

fn zstd(
    mut blocks: Blocks<'_, impl Fn() -> bool>,
    origin: Origin,
    out: &mut File,
) -> io::Result<u64> {
    let mut compressor = Compressor::new(ZSTD_LEVEL)?;
    compressor.set_parameter(CParameter::ChecksumFlag(true))?;
    let (mut table, mut block) = (SeekTable::default(), Vec::new());
    let mark = origin.zstd_frame();
    out.write_all(&mark)?;
    table.push(mark.len(), 0);
    while blocks.read(&mut block)? > 0 {
        let frame = compressor.compress(&block)?;
        out.write_all(&frame)?;
        table.push(frame.len(), block.len());
    }
    out.write_all(&table.into_frame())?;
    Ok(blocks.offset)
}

fn gzip(
    mut blocks: Blocks<'_, impl Fn() -> bool>,
    origin: Origin,
    out: &mut File,
) -> io::Result<u64> {
    let header = GzBuilder::new().extra(origin.gzip_extra());
    let mut encoder = header.write(out, flate2::Compression::default());
    let mut block = Vec::new();
    while blocks.read(&mut block)? > 0 {
        encoder.write_all(&block)?;
    }
    encoder.finish()?;
    Ok(blocks.offset)
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;
    use crate::backups::origin_of;

    fn text() -> Vec<u8> {
        (0..200_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect()
    }

    #[test]
    fn other_programs_read_what_was_compressed_and_it_tells_its_origin() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.1");
        for (compression, program) in [(Compression::Gzip, "gzip"), (Compression::Zstd, "zstd")] {
            for text in [text(), Vec::new()] {
                std::fs::write(&path, &text).unwrap();
                let source = File::open(&path).unwrap();
                let origin = Origin::of(&source.metadata().unwrap());
                let packed = directory.path().join(format!("log.1{}", compression.ending()));
                let mut out = File::create(&packed).unwrap();
                let read = compress(&source, origin, compression, &mut out, || false).unwrap();
                assert_eq!(read, text.len() as u64);
                assert_eq!(origin_of(&File::open(&packed).unwrap()).unwrap(), Some(origin));
                match Command::new(program).arg("-dc").arg(&packed).output() {
                    Ok(output) => assert!(output.stdout == text, "{program}: {output:?}"),
                    Err(_) => eprintln!("skipped: there is no {program}"),
                }
            }
        }
    }

    #[test]
    fn what_others_have_compressed_has_no_origin() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.1.gz");
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        gzip.write_all(&text()).unwrap();
        let zstd = zstd::bulk::compress(&text(), 1).unwrap();
        for bytes in [gzip.finish().unwrap(), zstd, b"log.1.gz".to_vec(), Vec::new()] {
            for length in [bytes.len(), bytes.len() / 2] {
                std::fs::write(&path, &bytes[..length]).unwrap();
                assert_eq!(origin_of(&File::open(&path).unwrap()).unwrap(), None);
            }
        }
    }

    #[test]
    fn it_stops_when_it_is_ended() {
        let (source, mut out) = (tempfile::tempfile().unwrap(), tempfile::tempfile().unwrap());
        let origin = Origin::of(&source.metadata().unwrap());
        for compression in [Compression::Gzip, Compression::Zstd] {
            let error = compress(&source, origin, compression, &mut out, || true).unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::Interrupted);
        }
    }
}
