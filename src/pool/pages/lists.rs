//! Lists of the elements of an array, doubly linked by index: moving an element to another list is O(1) and allocates
//! nothing.

/// An element's position in a list: the index of the list, and the element's neighbours there.
#[derive(Clone, Copy)]
pub(super) struct Link {
    list: usize,
    before: u32,
    after: u32,
}

const NONE: u32 = u32::MAX;

impl Link {
    /// The position of an element that is in no list.
    pub(super) const OUT: Self = Self { list: 0, before: NONE, after: NONE };
}

/// The heads of lists with the indexes 1 to `N` - 1. Index 0 means no list.
pub(super) struct Lists<const N: usize>([u32; N]);

impl<const N: usize> Lists<N> {
    pub(super) const EMPTY: Self = Self([NONE; N]);

    /// Moves an element to the head of another list. `link` selects the element's link.
    pub(super) fn move_to<T>(
        &mut self,
        elements: &mut [Option<T>],
        index: u32,
        list: usize,
        link: fn(&mut T) -> &mut Link,
    ) {
        let mut change = |index: u32, f: &mut dyn FnMut(&mut Link)| {
            if let Some(Some(element)) = elements.get_mut(index as usize) {
                f(link(element));
            }
        };
        let mut own = Link::OUT;
        change(index, &mut |link| own = *link);
        let Link { list: old, before, after } = own;
        if old == list {
            return;
        }
        if old != 0 {
            if before == NONE {
                self.0[old] = after;
            }
            change(before, &mut |link| link.after = after);
            change(after, &mut |link| link.before = before);
        }
        let head = if list == 0 { NONE } else { std::mem::replace(&mut self.0[list], index) };
        change(head, &mut |link| link.before = index);
        change(index, &mut |link| *link = Link { list, before: NONE, after: head });
    }

    /// Returns the first element of a list.
    pub(super) fn first(&self, list: usize) -> Option<u32> {
        Some(self.0[list]).filter(|&head| head != NONE)
    }

    /// Returns the first element of the first list, from index `least` on, that is not empty.
    pub(super) fn first_from(&self, least: usize) -> Option<u32> {
        (least..N).find_map(|list| self.first(list))
    }
}
