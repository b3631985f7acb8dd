/** The three widths, in pixels, at which the layout changes. CSS has no variables there: a test compares. */
export const breakpoints = [640, 800, 1100] as const
