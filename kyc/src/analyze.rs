//! Looking at a clip frame by frame, for people who tune thresholds.
