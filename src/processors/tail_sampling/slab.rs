//! Numbered places that are used again. Grows by chunks, so that growing moves nothing.

const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// Values by number. A freed place keeps its last value until it is taken again, which lets a
/// value count how often its place was used.
pub(super) struct Slab<T> {
    chunks: Vec<Vec<T>>,
    free: Vec<u32>,
}

impl<T: Default> Slab<T> {
    pub(super) fn new() -> Self {
        Self { chunks: Vec::new(), free: Vec::new() }
    }

    /// A place that nobody uses, with whatever value was left in it; a new one has the default.
    pub(super) fn take(&mut self) -> u32 {
        if let Some(place) = self.free.pop() {
            return place;
        }
        if self.chunks.last().is_none_or(|chunk| chunk.len() == CHUNK) {
            self.chunks.push(Vec::with_capacity(CHUNK));
        }
        let chunks = self.chunks.len();
        let chunk = &mut self.chunks[chunks - 1];
        chunk.push(T::default());
        (((chunks - 1) << CHUNK_BITS) + chunk.len() - 1) as u32
    }

    /// Gives a place back; the caller has taken out what it owned.
    pub(super) fn free(&mut self, place: u32) {
        self.free.push(place);
    }

    /// How many places are in use.
    #[cfg(test)]
    pub(super) fn used(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum::<usize>() - self.free.len()
    }
}

impl<T> std::ops::Index<u32> for Slab<T> {
    type Output = T;

    fn index(&self, place: u32) -> &T {
        &self.chunks[place as usize >> CHUNK_BITS][place as usize & (CHUNK - 1)]
    }
}

impl<T> std::ops::IndexMut<u32> for Slab<T> {
    fn index_mut(&mut self, place: u32) -> &mut T {
        &mut self.chunks[place as usize >> CHUNK_BITS][place as usize & (CHUNK - 1)]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_freed_place_is_used_again_and_keeps_its_value() {
        let mut slab = Slab::<u64>::new();
        let places: Vec<u32> = (0..CHUNK as u32 + 2).map(|_| slab.take()).collect();
        assert_eq!(places, (0..CHUNK as u32 + 2).collect::<Vec<_>>());
        slab[7] = 70;
        slab.free(7);
        assert_eq!(slab.used(), CHUNK + 1);
        assert_eq!((slab.take(), slab[7]), (7, 70));
    }
}
