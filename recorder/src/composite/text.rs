//! Letters as masks. Each glyph is drawn once per size; text is put together from them.

use std::collections::HashMap;

use ab_glyph::{Font as _, FontRef, InvalidFont, ScaleFont as _};

use super::picture::Mask;

/// A subset of Noto Sans CJK SC: Latin, GB 2312, and more characters that names use.
/// `recorder/assets/make-font.py` made it.
const FONT: &[u8] = include_bytes!("../../assets/film.otf");
/// Drawn for a character that the font lacks: what Chinese printers put there.
const MISSING: char = '〓';
/// Glyphs kept. A film writes some hundred different ones; beyond, all are drawn anew.
const KEPT: usize = 2_000;

/// The font, with what was drawn of it.
pub(super) struct Letters {
    font: FontRef<'static>,
    glyphs: HashMap<(char, u16), Glyph>,
}

#[derive(Clone)]
struct Glyph {
    mask: Mask,
    /// Where the mask lies, from the pen and the line's top.
    left: i32,
    top: i32,
    advance: f32,
}

impl Letters {
    pub(super) fn new() -> Result<Self, InvalidFont> {
        Ok(Self { font: FontRef::try_from_slice(FONT)?, glyphs: HashMap::new() })
    }

    /// A line of text, `size` pixels high from the top of its letters to below their feet. What is
    /// wider than `widest` ends in dots.
    pub(super) fn line(&mut self, text: &str, size: u16, widest: usize) -> Mask {
        let mut fitting: String = text.chars().filter(|c| !c.is_control()).collect();
        if self.width(&fitting, size) > widest {
            let room = widest.saturating_sub(self.width("…", size));
            while self.width(&fitting, size) > room {
                fitting.pop();
            }
            fitting.push('…');
        }
        self.draw(&fitting, size)
    }

    fn width(&mut self, text: &str, size: u16) -> usize {
        let advance: f32 = text.chars().map(|c| self.glyph(c, size).advance).sum();
        pixels(advance.ceil())
    }

    fn draw(&mut self, text: &str, size: u16) -> Mask {
        let width = self.width(text, size).max(1);
        let height = usize::from(size) + usize::from(size) / 4;
        let mut line = Mask { width, height, alpha: vec![0; width * height] };
        let mut pen = 0.0_f32;
        for c in text.chars() {
            let glyph = self.glyph(c, size);
            paste(&mut line, &glyph.mask, pixels(pen.round()), glyph.left, glyph.top);
            pen += glyph.advance;
        }
        line
    }

    fn glyph(&mut self, c: char, size: u16) -> &Glyph {
        if self.glyphs.len() >= KEPT && !self.glyphs.contains_key(&(c, size)) {
            self.glyphs.clear();
        }
        let font = &self.font;
        self.glyphs.entry((c, size)).or_insert_with(|| rasterize(font, c, size))
    }
}

fn rasterize(font: &FontRef<'_>, c: char, size: u16) -> Glyph {
    let scaled = font.as_scaled(f32::from(size));
    let known = font.glyph_id(c);
    let id = if known.0 == 0 { font.glyph_id(MISSING) } else { known };
    let advance = scaled.h_advance(id);
    let empty = Mask { width: 0, height: 0, alpha: Vec::new() };
    let place = ab_glyph::point(0.0, scaled.ascent());
    let glyph = id.with_scale_and_position(f32::from(size), place);
    let Some(outline) = font.outline_glyph(glyph) else {
        return Glyph { mask: empty, left: 0, top: 0, advance };
    };
    let bounds = outline.px_bounds();
    let (width, height) = (pixels(bounds.width()), pixels(bounds.height()));
    let mut mask = Mask { width, height, alpha: vec![0; width * height] };
    outline.draw(|x, y, coverage| {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else { return };
        if let Some(pixel) = mask.alpha.get_mut(y * width + x).filter(|_| x < width) {
            *pixel = level(coverage);
        }
    });
    Glyph { mask, left: offset(bounds.min.x), top: offset(bounds.min.y), advance }
}

/// Puts a glyph into a line, as much of it as is inside.
fn paste(line: &mut Mask, glyph: &Mask, pen: usize, left: i32, top: i32) {
    let rows = glyph.alpha.chunks_exact(glyph.width.max(1));
    for (n, row) in rows.enumerate() {
        let Some(y) = n.checked_add_signed(top as isize).filter(|y| *y < line.height) else {
            continue;
        };
        for (m, alpha) in row.iter().enumerate() {
            let Some(x) = (pen + m).checked_add_signed(left as isize).filter(|x| *x < line.width)
            else {
                continue;
            };
            if let Some(pixel) = line.alpha.get_mut(y * line.width + x) {
                *pixel = (*pixel).max(*alpha);
            }
        }
    }
}

const fn pixels(length: f32) -> usize {
    length as usize
}

const fn offset(length: f32) -> i32 {
    length as i32
}

fn level(coverage: f32) -> u8 {
    (coverage * 255.0) as u8
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ink(mask: &Mask) -> usize {
        mask.alpha.iter().filter(|alpha| **alpha > 0).count()
    }

    #[test]
    fn chinese_and_latin_letters_are_drawn_and_differ() {
        let mut letters = Letters::new().unwrap();
        let masks = ["王磊", "李静", "Wang", "0123456789", "喆堃珺"]
            .map(|text| letters.line(text, 20, 1_000));
        assert!(masks.iter().all(|mask| ink(mask) > 50), "{:?}", masks.each_ref().map(ink));
        assert_ne!(masks[0].alpha, masks[1].alpha);
    }

    #[test]
    fn a_character_that_the_font_lacks_is_seen_to_be_missing() {
        let mut letters = Letters::new().unwrap();
        let lacking = letters.line("\u{2f00f}", 20, 1_000);
        assert_eq!(lacking, letters.line("〓", 20, 1_000));
        assert!(ink(&lacking) > 20);
    }

    #[test]
    fn a_line_that_is_too_long_ends_in_dots_within_its_width() {
        let mut letters = Letters::new().unwrap();
        let line = letters.line(&"客户经理".repeat(30), 18, 200);
        assert!(line.width <= 200, "{}", line.width);
        assert!(ink(&line) > 100);
    }

    proptest! {
        #[test]
        fn any_text_can_be_drawn(text: String, size in 8u16..40) {
            let line = Letters::new().unwrap().line(&text, size, 300);
            prop_assert!(line.width <= 300.max(usize::from(size) * 2));
            prop_assert_eq!(line.alpha.len(), line.width * line.height);
        }
    }
}
