//! Where the parties stand in the picture.

use vbranch_domain::recording::FilmLayout;

/// A part of a picture, in pixels. All four are even.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rect {
    pub x: usize,
    pub y: usize,
    pub width: usize,
    pub height: usize,
}

/// A film's picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Stage {
    pub width: usize,
    pub height: usize,
    /// One per camera, then one per screen. Later ones lie over earlier ones.
    pub panes: Vec<Rect>,
    /// Where the clock is, along the lower edge.
    pub strip: Rect,
}

/// Most tracks shown. Others are named as left out: the picture has no room where they could be
/// made out.
pub(super) const MOST_PANES: usize = 6;

/// A camera's place side by side. Two of them at 15 pictures a second can be made in a tenth of the
/// time they take; larger ones cost more than they show of a face.
const CAMERA: (usize, usize) = (480, 360);
/// A screen is read, so it gets the whole width.
const SCREEN: (usize, usize) = (960, 540);
/// The large picture and the small ones within it.
const MAIN: (usize, usize) = (640, 480);
const INSET: (usize, usize) = (160, 120);
const MARGIN: usize = 8;
const STRIP: usize = 40;
/// Insets are stacked this high before a second column begins.
const STACK: usize = 3;

impl Stage {
    /// Room for so many cameras and screens, [`MOST_PANES`] at most.
    pub(super) fn new(layout: FilmLayout, cameras: usize, screens: usize) -> Self {
        let cameras = cameras.min(MOST_PANES);
        let screens = screens.min(MOST_PANES - cameras);
        match layout {
            FilmLayout::Side => Self::side(cameras, screens),
            FilmLayout::Pip => Self::pip(cameras + screens),
        }
    }

    fn side(cameras: usize, screens: usize) -> Self {
        let columns = if screens > 0 { 2 } else { cameras.clamp(1, 2) };
        let rows = cameras.div_ceil(columns).max(usize::from(screens == 0));
        let width = columns * CAMERA.0;
        let camera = |n: usize| Rect {
            x: n % columns * CAMERA.0,
            y: n / columns * CAMERA.1,
            width: CAMERA.0,
            height: CAMERA.1,
        };
        let below = rows * CAMERA.1;
        let screen =
            |n: usize| Rect { x: 0, y: below + n * SCREEN.1, width: SCREEN.0, height: SCREEN.1 };
        let panes = (0..cameras).map(camera).chain((0..screens).map(screen)).collect();
        Self::above_strip(width, below + screens * SCREEN.1, panes)
    }

    fn pip(tracks: usize) -> Self {
        let inset = |n: usize| Rect {
            x: MAIN.0 - (n / STACK + 1) * (INSET.0 + MARGIN),
            y: MAIN.1 - (n % STACK + 1) * (INSET.1 + MARGIN),
            width: INSET.0,
            height: INSET.1,
        };
        let main = Rect { x: 0, y: 0, width: MAIN.0, height: MAIN.1 };
        let others = (0..tracks.saturating_sub(1)).map(inset);
        let panes = std::iter::once(main).chain(others).take(tracks).collect();
        Self::above_strip(MAIN.0, MAIN.1, panes)
    }

    fn above_strip(width: usize, height: usize, panes: Vec<Rect>) -> Self {
        let strip = Rect { x: 0, y: height, width, height: STRIP };
        Self { width, height: height + STRIP, panes, strip }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn overlap(a: Rect, b: Rect) -> bool {
        a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height
    }

    proptest! {
        #[test]
        fn every_track_has_a_place_inside_and_nobody_hides_another(
            cameras in 0usize..9, screens in 0usize..9, pip: bool,
        ) {
            let layout = if pip { FilmLayout::Pip } else { FilmLayout::Side };
            let stage = Stage::new(layout, cameras, screens);
            prop_assert_eq!(stage.panes.len(), (cameras + screens).min(MOST_PANES));
            for (n, pane) in stage.panes.iter().enumerate() {
                prop_assert!(pane.x + pane.width <= stage.width);
                prop_assert!(pane.y + pane.height <= stage.strip.y);
                prop_assert!([pane.x, pane.y, pane.width, pane.height].iter().all(|n| n % 2 == 0));
                // In picture in picture, all but the first stand upon the first.
                let others = stage.panes.iter().skip((n + 1).max(usize::from(pip)));
                if !(pip && n == 0) {
                    prop_assert!(others.into_iter().all(|other| !overlap(*pane, *other)));
                }
            }
            prop_assert_eq!(stage.strip.y + stage.strip.height, stage.height);
            prop_assert!(stage.width.is_multiple_of(16) && stage.height.is_multiple_of(2));
        }
    }

    #[test]
    fn a_call_of_two_stands_side_by_side() {
        let stage = Stage::new(FilmLayout::Side, 2, 0);
        assert_eq!((stage.width, stage.height), (960, 400));
        assert_eq!(stage.panes[1], Rect { x: 480, y: 0, width: 480, height: 360 });
    }
}
