//! Time and randomness come in as arguments, so that every run can be replayed.

/// Tells the time.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch, UTC.
    fn now_ms(&self) -> i64;
}

/// Makes values that are unique and cannot be guessed.
pub trait IdSource: Send + Sync {
    /// Fills `target` with fresh random bytes.
    fn fill(&self, target: &mut [u8]);

    /// Sixteen fresh random bytes.
    fn id16(&self) -> [u8; 16] {
        let mut id = [0; 16];
        self.fill(&mut id);
        id
    }

    /// A fresh random 64-bit number.
    fn seed64(&self) -> u64 {
        let mut seed = [0; 8];
        self.fill(&mut seed);
        u64::from_le_bytes(seed)
    }
}
