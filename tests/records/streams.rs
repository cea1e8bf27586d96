//! Compressed streams put together by hand: as codecs allow them, and a little beside.
//!
//! Mutated streams of an encoder show little: each has one shape, and most changes are caught at
//! once. Here every part that a format has is chosen anew.

use std::io::Write as _;

use broker::records::Compression;
use bytes::BufMut as _;
use twox_hash::XxHash32;

use crate::random::Random;

/// A stream of `plain`, or of something like it.
pub fn forged(codec: Compression, plain: &[u8], random: &mut Random) -> Vec<u8> {
    let mut stream = match codec {
        Compression::None => plain.to_vec(),
        Compression::Gzip => gzip(plain, random),
        Compression::Snappy => snappy(plain, random),
        Compression::Lz4 => lz4(plain, random),
        Compression::Zstd => zstd(plain, random),
    };
    if random.one_in(8) {
        mutate(&mut stream, random);
    }
    stream
}

/// `plain` in up to four parts, some of them empty.
fn parts<'a>(plain: &'a [u8], random: &mut Random) -> Vec<&'a [u8]> {
    let mut parts = Vec::new();
    let mut rest = plain;
    for _ in 0..random.below(4) {
        let (part, behind) = rest.split_at(random.below(rest.len() + 1));
        parts.push(part);
        rest = behind;
    }
    parts.push(rest);
    parts
}

/// A few bytes that are nothing, or zeros.
fn junk(random: &mut Random) -> Vec<u8> {
    let size = 1 + random.below(24);
    if random.one_in(3) {
        return vec![0; size];
    }
    (0..size).map(|_| random.next() as u8).collect()
}

fn mutate(stream: &mut Vec<u8>, random: &mut Random) {
    for _ in 0..=random.below(2) {
        if stream.is_empty() {
            return;
        }
        let at = random.below(stream.len());
        match random.below(5) {
            0 => stream[at] ^= 1 << random.below(8),
            1 => stream[at] = random.next() as u8,
            2 => stream.truncate(at),
            3 => {
                let piece: Vec<u8> = stream[at..]
                    .iter()
                    .take(random.below(40))
                    .copied()
                    .collect();
                let to = random.below(stream.len());
                stream.splice(to..to, piece);
            }
            _ => {
                let end = stream.len().min(at + random.below(12));
                stream.drain(at..end);
            }
        }
    }
}

fn gzip(plain: &[u8], random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for part in parts(plain, random) {
        stream.extend(gzip_member(part, random));
    }
    if random.one_in(6) {
        let tail = gzip_member(b"tail", random);
        let end = random.below(tail.len());
        stream.extend_from_slice(&tail[..end]);
    }
    if random.one_in(5) {
        stream.extend(junk(random));
    }
    stream
}

fn gzip_member(plain: &[u8], random: &mut Random) -> Vec<u8> {
    let flags = match random.below(6) {
        0 => random.next() as u8,
        1 => random.next() as u8 & 0b1_1111,
        _ => 0,
    };
    let mut member = vec![0x1f, 0x8b, 8, flags];
    member.extend((0..6).map(|_| random.next() as u8));
    if flags & 4 != 0 {
        let extra = junk(random);
        member.put_u16_le(extra.len() as u16);
        member.extend(extra);
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            member.extend_from_slice(b"text\0");
        }
    }
    if flags & 2 != 0 {
        let mut crc = flate2::Crc::new();
        crc.update(&member);
        member.put_u16_le(crc.sum() as u16 ^ u16::from(random.one_in(6)));
    }
    let level = flate2::Compression::new(random.below(10) as u32);
    let mut deflate = flate2::write::DeflateEncoder::new(Vec::new(), level);
    deflate.write_all(plain).unwrap();
    member.extend(deflate.finish().unwrap());
    let mut crc = flate2::Crc::new();
    crc.update(plain);
    member.put_u32_le(crc.sum() ^ u32::from(random.one_in(40)));
    member.put_u32_le(plain.len() as u32 ^ u32::from(random.one_in(40)));
    member
}

fn snappy(plain: &[u8], random: &mut Random) -> Vec<u8> {
    if random.one_in(10) {
        return snap::raw::Encoder::new().compress_vec(plain).unwrap();
    }
    let parts = parts(plain, random);
    let second_stream = random.below(16);
    let mut stream = snappy_header(random);
    for (index, part) in parts.iter().enumerate() {
        if index > 0 && index == second_stream {
            stream.extend(snappy_header(random));
        }
        let mut block = snap::raw::Encoder::new().compress_vec(part).unwrap();
        if random.one_in(40) {
            block.extend(junk(random));
        }
        stream.put_u32(block.len() as u32);
        stream.extend(block);
    }
    match random.below(12) {
        0 => stream.extend(junk(random)),
        1 => stream.extend_from_slice(&[0; 4][..1 + random.below(4)]),
        2 => stream.extend(snappy_header(random)),
        _ => {}
    }
    stream
}

fn snappy_header(random: &mut Random) -> Vec<u8> {
    const VERSIONS: [u32; 6] = [0, 1, 2, 3, 0x7fff_ffff, 0xffff_ffff];
    let mut header = b"\x82SNAPPY\0".to_vec();
    for _ in 0..2 {
        let version = if random.one_in(12) {
            VERSIONS[random.below(VERSIONS.len())]
        } else {
            1
        };
        header.put_u32(version);
    }
    header
}

fn lz4(plain: &[u8], random: &mut Random) -> Vec<u8> {
    let mut stream = lz4_frame(plain, random);
    match random.below(12) {
        0 => stream.extend(junk(random)),
        1 => stream.extend(lz4_frame(plain, random)),
        2 => stream.extend(lz4_frame(&[], random)),
        _ => {}
    }
    stream
}

fn lz4_frame(plain: &[u8], random: &mut Random) -> Vec<u8> {
    let rarely = |bit: u8, random: &mut Random| bit * u8::from(random.one_in(30));
    let often = |bit: u8, random: &mut Random| bit * u8::from(random.one_in(3));
    let flags = 0b0110_0000 ^ rarely(0b0010_0000, random) ^ rarely(0b1000_0000, random)
        | rarely(0b10, random)
        | rarely(0b1, random)
        | often(0b1_0000, random)
        | often(0b1000, random)
        | often(0b100, random);
    let sizes = if random.one_in(30) {
        random.next() as u8
    } else {
        (4 + random.below(4) as u8) << 4
    };
    let mut header = vec![flags, sizes];
    if flags & 0b1000 != 0 {
        header.put_u64_le(if random.one_in(4) {
            random.next()
        } else {
            plain.len() as u64
        });
    }
    if flags & 1 != 0 && random.one_in(2) {
        header.put_u32_le(7);
    }
    let checksum = (XxHash32::oneshot(0, &header) >> 8) as u8 ^ u8::from(random.one_in(40));
    let mut frame = 0x184d_2204_u32.to_le_bytes().to_vec();
    frame.extend(header);
    frame.push(checksum);
    for part in parts(plain, random) {
        let most = 1 << (2 * (sizes >> 4 & 7) + 8);
        for block in part.chunks(if random.one_in(20) { usize::MAX } else { most }) {
            lz4_block(block, flags, &mut frame, random);
        }
        if part.is_empty() && random.one_in(3) {
            lz4_block(part, flags, &mut frame, random);
        }
    }
    if !random.one_in(20) {
        frame.put_u32_le(if random.one_in(10) { 1 << 31 } else { 0 });
    }
    if flags & 0b100 != 0 && !random.one_in(20) {
        frame.put_u32_le(XxHash32::oneshot(0, plain) ^ u32::from(random.one_in(10)));
    }
    frame
}

fn lz4_block(plain: &[u8], flags: u8, frame: &mut Vec<u8>, random: &mut Random) {
    let stored = if random.one_in(3) { 1 << 31 } else { 0 };
    let mut block = if stored == 0 {
        lz4_flex::block::compress(plain)
    } else {
        plain.to_vec()
    };
    if stored == 0 && random.one_in(60) {
        block.extend(junk(random));
    }
    frame.put_u32_le(block.len() as u32 | stored);
    let checksum = XxHash32::oneshot(0, &block) ^ u32::from(random.one_in(60));
    frame.extend(block);
    if flags & 0b1_0000 != 0 {
        frame.put_u32_le(checksum);
    }
}

fn zstd(plain: &[u8], random: &mut Random) -> Vec<u8> {
    let mut stream = Vec::new();
    for part in parts(plain, random) {
        if random.one_in(6) {
            stream.extend(zstd_skippable(random));
        }
        stream.extend(zstd_frame(part, random));
    }
    match random.below(12) {
        0 => stream.extend(junk(random)),
        1 => stream.extend(zstd_skippable(random)),
        2 => {
            let tail = zstd_frame(b"tail", random);
            let end = random.below(tail.len());
            stream.extend_from_slice(&tail[..end]);
        }
        _ => {}
    }
    stream
}

fn zstd_skippable(random: &mut Random) -> Vec<u8> {
    let content = junk(random);
    let mut frame = Vec::new();
    frame.put_u32_le(0x184d_2a50 | random.below(16) as u32);
    frame.put_u32_le(content.len() as u32);
    frame.extend(content);
    frame
}

fn zstd_frame(plain: &[u8], random: &mut Random) -> Vec<u8> {
    let level = random.below(12) as i32 - 4;
    let mut encoder = zstd::Encoder::new(Vec::new(), level).unwrap();
    encoder.include_checksum(random.one_in(3)).unwrap();
    encoder.include_contentsize(!random.one_in(3)).unwrap();
    if random.one_in(3) {
        encoder
            .set_pledged_src_size(Some(plain.len() as u64))
            .unwrap();
    }
    if random.one_in(5) {
        encoder.window_log(10 + random.below(21) as u32).unwrap();
    }
    for part in parts(plain, random) {
        encoder.write_all(part).unwrap();
        if random.one_in(3) {
            encoder.flush().unwrap();
        }
    }
    encoder.finish().unwrap()
}
