/** Light, dark, or as the system has it. The server puts the choice that the cookie holds into the page, before the first paint. */
export type Theme = 'auto' | 'light' | 'dark'
const cookie = 'agentos_theme'
const year = 365 * 24 * 3600

class ThemeChoice {
  chosen = $state<Theme>(applied())

  choose(theme: Theme) {
    this.chosen = theme
    if (theme === 'auto') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
    const secure = location.protocol === 'https:' ? '; Secure' : ''
    document.cookie = `${cookie}=${theme}; Path=/; SameSite=Lax; Max-Age=${theme === 'auto' ? 0 : year}${secure}`
  }
}

/** What the page says. */
function applied(): Theme {
  const value = document.documentElement.dataset.theme
  return value === 'light' || value === 'dark' ? value : 'auto'
}

export const theme = new ThemeChoice()
