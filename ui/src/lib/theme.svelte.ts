/** Light, dark, or as the system has it. theme.js applies the stored choice before the first paint. */
export type Theme = 'auto' | 'light' | 'dark'
const key = 'agentos.theme'

class ThemeChoice {
  chosen = $state<Theme>(stored())

  choose(theme: Theme) {
    this.chosen = theme
    if (theme === 'auto') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
    try {
      if (theme === 'auto') localStorage.removeItem(key)
      else localStorage.setItem(key, theme)
    } catch {
      // storage is off: the choice holds for this page
    }
  }
}

function stored(): Theme {
  try {
    const value = localStorage.getItem(key)
    return value === 'light' || value === 'dark' ? value : 'auto'
  } catch {
    return 'auto'
  }
}

export const theme = new ThemeChoice()
