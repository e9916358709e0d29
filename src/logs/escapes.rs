use memchr::memchr;

/// Takes the control sequences of terminals, colours above all, out of what goes by: `ESC [`, then parameters, up to the letter
/// that ends it (ECMA-48, 5.4). What a read cuts is whole for it: it knows where it is from one portion to the next.
///
/// supervisord knows fourteen of the ending letters only, and loses text up to the next of these behind all others
/// (its `stripEscapes`).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) enum Filter {
    /// In text.
    #[default]
    Text,
    /// Behind an ESC that may begin a sequence.
    Escape,
    /// Within a sequence.
    Sequence,
}

const ESCAPE: u8 = 0x1b;

impl Filter {
    /// Adds what is text to `out`.
    pub(super) fn pass(&mut self, mut bytes: &[u8], out: &mut Vec<u8>) {
        while let Some((first, rest)) = bytes.split_first() {
            match self {
                Self::Text => {
                    let length = memchr(ESCAPE, bytes).unwrap_or(bytes.len());
                    out.extend_from_slice(&bytes[..length]);
                    bytes = &bytes[length..];
                    if let Some((_, rest)) = bytes.split_first() {
                        *self = Self::Escape;
                        bytes = rest;
                    }
                }
                Self::Escape if *first == b'[' => {
                    *self = Self::Sequence;
                    bytes = rest;
                }
                Self::Escape => {
                    out.push(ESCAPE);
                    *self = Self::Text;
                }
                // Its parameters and what stands between these and its end.
                Self::Sequence if (0x20..=0x3f).contains(first) => bytes = rest,
                Self::Sequence => {
                    *self = Self::Text;
                    // What cannot end a sequence has broken it off, and is text.
                    if (0x40..=0x7e).contains(first) {
                        bytes = rest;
                    }
                }
            }
        }
    }

    /// Nothing more comes of this text: an ESC that begins nothing is text.
    pub(super) fn end(&mut self, out: &mut Vec<u8>) {
        if std::mem::take(self) == Self::Escape {
            out.push(ESCAPE);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Filter;
    use proptest::prelude::*;

    fn filtered(parts: &[&[u8]]) -> String {
        let (mut filter, mut out) = (Filter::default(), Vec::new());
        parts.iter().for_each(|part| filter.pass(part, &mut out));
        filter.end(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn sequences_are_taken_out_and_all_else_is_kept() {
        for (text, expected) in [
            ("plain\n", "plain\n"),
            ("\x1b[1;31mred\x1b[0m\n", "red\n"),
            ("a\x1b[5Gb\x1b[?25lc\x1b[2Kd\x1b[3 qe", "abcde"),
            ("\x1b[38;2;1;2;3m€\x1b[m", "€"),
            ("\x1b(B\x1b=\x1b", "\x1b(B\x1b=\x1b"),
            ("\x1b\x1b[1mx", "\x1bx"),
            ("cut\x1b[12\nline", "cut\nline"),
            ("\x1b[31", ""),
        ] {
            assert_eq!(filtered(&[text.as_bytes()]), expected, "{text:?}");
        }
    }

    proptest! {
        #[test]
        fn it_is_the_same_wherever_a_read_cuts(text in "[a\u{1b}\\[1;m€\n]{0,24}", cut in 0usize..40) {
            let bytes = text.as_bytes();
            let (mut filter, mut out) = (Filter::default(), Vec::new());
            let (first, second) = bytes.split_at(cut.min(bytes.len()));
            filter.pass(first, &mut out);
            filter.pass(second, &mut out);
            filter.end(&mut out);
            prop_assert_eq!(out, filtered(&[bytes]).into_bytes());
        }
    }
}
