//! What peers that cannot be told apart by their user have to know.

use std::fs::File;
use std::hint::black_box;
use std::io::Read;
use std::ops::RangeInclusive;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use super::ConfigServerError;

/// Bytes that a peer sends before its configuration: 16 to 1024 of them.
pub struct Secret(Vec<u8>);

impl Secret {
    const BYTES: RangeInclusive<usize> = 16..=1024;

    /// Reads a secret from a file that only its owner may read; a newline at its end does not count.
    ///
    /// # Errors
    /// The file cannot be read, others may read it, or it is too short or too long.
    pub fn read(path: &Path) -> Result<Secret, ConfigServerError> {
        let io = |source| ConfigServerError::Io {
            operation: "read",
            place: path.display().to_string(),
            source,
        };
        let refused = |reason| ConfigServerError::Secret { path: path.to_owned(), reason };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.permissions().mode() & 0o077 != 0 {
            let reason = "may be read by others: take its rights from them (chmod 600)";
            return Err(refused(reason.to_owned()));
        }
        let mut secret = Vec::new();
        file.take(*Secret::BYTES.end() as u64 + 2).read_to_end(&mut secret).map_err(io)?;
        secret.pop_if(|last| *last == b'\n');
        if !Secret::BYTES.contains(&secret.len()) {
            let (least, most) = Secret::BYTES.into_inner();
            return Err(refused(format!("is no secret: write {least} to {most} bytes into it")));
        }
        Ok(Secret(secret))
    }

    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether `text` begins with it. How long that takes does not tell where they differ.
    pub(super) fn begins(&self, text: &[u8]) -> bool {
        let Some(start) = text.get(..self.0.len()) else { return false };
        let pairs = self.0.iter().zip(start);
        pairs.fold(0, |difference, (ours, theirs)| black_box(difference | (ours ^ theirs))) == 0
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn read(text: &str, mode: u32) -> Result<Secret, String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("secret");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
        Secret::read(&path).map_err(|error| error.to_string())
    }

    #[test]
    fn only_what_begins_with_all_of_the_secret_passes() {
        let secret = read("0123456789abcdef\n", 0o600).ok().unwrap();
        assert!(secret.begins(b"0123456789abcdef") && secret.begins(b"0123456789abcdef{}"));
        for other in ["", "0123456789abcde", "1123456789abcdef", "0123456789abcdeF{}"] {
            assert!(!secret.begins(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn what_others_may_know_or_guess_is_no_secret() {
        let reason = |text: &str, mode| read(text, mode).err().unwrap();
        assert!(reason("0123456789abcdef", 0o640).ends_with("(chmod 600)"));
        for text in ["", "\n", "0123456789abcde\n", &"x".repeat(1025)] {
            assert!(reason(text, 0o600).ends_with("write 16 to 1024 bytes into it"), "{text}");
        }
        assert!(read(&format!("{}\n", "x".repeat(1024)), 0o600).is_ok());
    }
}
