/** The camera's picture. */
export const WIDTH = 640;
export const HEIGHT = 480;
export const FPS = 25;
