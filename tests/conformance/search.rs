//! Search, comparison and dumps, alike for all types of the library.

/// The part of `Content` that asks a range of the bytes, through the type's own methods.
macro_rules! searched {
    () => {
        fn find_byte(&mut self, range: Range<usize>, byte: u8) -> Option<usize> {
            let start = range.start;
            Some(start + self.within(range, |bytes| bytes.find_byte(byte))?)
        }

        fn rfind_byte(&mut self, range: Range<usize>, byte: u8) -> Option<usize> {
            let start = range.start;
            Some(start + self.within(range, |bytes| bytes.rfind_byte(byte))?)
        }

        fn position(&mut self, range: Range<usize>, stop: &dyn Fn(u8) -> bool) -> Option<usize> {
            let start = range.start;
            Some(start + self.within(range, |bytes| bytes.find_by(stop))?)
        }

        fn rposition(&mut self, range: Range<usize>, stop: &dyn Fn(u8) -> bool) -> Option<usize> {
            let start = range.start;
            Some(start + self.within(range, |bytes| bytes.rfind_by(stop))?)
        }

        fn find(&mut self, range: Range<usize>, needle: &[u8]) -> Option<usize> {
            let start = range.start;
            Some(start + self.within(range, |bytes| bytes.find(needle))?)
        }

        fn feed(&mut self, range: Range<usize>, to: &mut dyn Processor) -> Option<usize> {
            let mut at = range.start;
            self.within(range, |bytes| {
                while bytes.has_remaining() {
                    let chunk = bytes.chunk();
                    if let Some(taken) = to.feed(chunk) {
                        return Some(at + taken - 1);
                    }
                    at += chunk.len();
                    bytes.advance(chunk.len());
                }
                None
            })
        }

        fn compare(&mut self, range: Range<usize>, other: &[u8]) -> Ordering {
            self.within(range, |bytes| (*bytes).partial_cmp(other).expect("a total order"))
        }

        fn equals(&mut self, range: Range<usize>, other: &[u8]) -> bool {
            self.within(range, |bytes| *bytes == *other)
        }

        fn hex(&mut self, range: Range<usize>) -> String {
            self.within(range, |bytes| bytes.to_hex())
        }

        fn hex_box(&mut self, range: Range<usize>) -> String {
            self.within(range, |bytes| bytes.hex_dump().to_string())
        }
    };
}
pub(crate) use searched;
