//! Reads a compressed file.

use std::fs::File;
use std::io::{self, Read, Seek};

use flate2::read::MultiGzDecoder;

use crate::backups::Compression;

/// The text of a compressed file, as a file without a name in the directory for temporary files.
pub(crate) fn decompress(packed: &File, compression: Compression) -> io::Result<File> {
    let mut text = tempfile::tempfile()?;
    io::copy(&mut reader(packed, compression)?, &mut text)?;
    text.rewind()?;
    Ok(text)
}

/// The first bytes of the text of a compressed file, at most so many.
#[cfg(feature = "tail")]
pub(crate) fn decompress_head(
    packed: &File,
    compression: Compression,
    max_bytes: usize,
) -> io::Result<Vec<u8>> {
    let mut head = Vec::new();
    reader(packed, compression)?.take(max_bytes as u64).read_to_end(&mut head)?;
    Ok(head)
}

fn reader(packed: &File, compression: Compression) -> io::Result<Box<dyn Read>> {
    let mut packed = packed.try_clone()?;
    packed.rewind()?;
    Ok(match compression {
        Compression::Gzip => Box::new(MultiGzDecoder::new(packed)),
        Compression::Zstd => Box::new(zstd::stream::read::Decoder::new(packed)?),
    })
}

#[cfg(all(test, feature = "listener"))]
mod tests {
    use std::os::unix::fs::FileExt;

    use super::super::compress;
    use super::*;
    use crate::backups::Origin;

    #[test]
    fn what_was_compressed_is_read_again() {
        let text: Vec<u8> =
            (0..300_000).flat_map(|number| format!("line {number}\n").into_bytes()).collect();
        let source = tempfile::tempfile().unwrap();
        source.write_all_at(&text, 0).unwrap();
        let origin = Origin::of(&source.metadata().unwrap());
        for compression in [Compression::Gzip, Compression::Zstd] {
            let mut packed = tempfile::tempfile().unwrap();
            compress(&source, origin, compression, &mut packed, || false).unwrap();
            let mut found = Vec::new();
            decompress(&packed, compression).unwrap().read_to_end(&mut found).unwrap();
            assert!(found == text, "{compression:?}");

            packed.set_len(packed.metadata().unwrap().len() / 2).unwrap();
            decompress(&packed, compression).expect_err("cut short");
        }
    }
}
