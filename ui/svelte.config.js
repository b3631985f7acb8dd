/** @type {import('@sveltejs/vite-plugin-svelte').SvelteConfig} */
export default {
  compilerOptions: {
    runes: true,
    // By content: the same source gives the same bytes wherever it is built.
    cssHash: ({ hash, css }) => `s-${hash(css)}`,
  },
}
