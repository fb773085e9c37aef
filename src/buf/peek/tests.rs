use super::{Peek, Poke};

#[test]
fn medium_integers_keep_their_sign_and_drop_what_does_not_fit() {
    let mut data = [0; 3];
    for value in [0, 1, -1, 0x7F_FFFF, -0x80_0000] {
        data.set_i24(0, value).unwrap();
        assert_eq!(data.peek_i24(0), Some(value));
        data.set_i24_le(0, value).unwrap();
        assert_eq!(data.peek_i24_le(0), Some(value));
    }
    data.set_u24(0, 0xAB_CD_EF_01).unwrap();
    assert_eq!(data, [0xCD, 0xEF, 0x01]);
    assert_eq!(data.peek_u24_le(0), Some(0x01_EF_CD));
    assert_eq!(data.peek_i24_le(0), Some(0x01_EF_CD));
}

#[test]
fn float_bits_are_preserved() {
    let mut data = [0; 8];
    let nan = f64::from_bits(0x7FF0_0000_0000_0001);
    data.set_f64_le(0, nan).unwrap();
    assert_eq!(data.peek_f64_le(0).unwrap().to_bits(), nan.to_bits());
}

#[test]
fn nothing_is_written_out_of_range() {
    let mut data = [9; 8];
    for offset in [1, 7, 8, 9, usize::MAX - 7, usize::MAX] {
        let error = data.set_u64(offset, 0).unwrap_err();
        assert_eq!((error.offset, error.width, error.len), (offset, 8, 8));
        assert!(data.set_bytes(offset, 0, usize::MAX).is_err());
        assert_eq!(data.peek_u64(offset), None);
        let mut dst = [1; 8];
        assert!(data.peek_slice(offset, &mut dst).is_err());
        assert_eq!(dst, [1; 8]);
    }
    assert_eq!(data, [9; 8]);
}
