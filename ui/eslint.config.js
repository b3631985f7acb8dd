import svelte from 'eslint-plugin-svelte'
import ts from 'typescript-eslint'
import svelteConfig from './svelte.config.js'

export default ts.config(
  { ignores: ['dist/', 'node_modules/', 'test-results/', 'src/lib/types/openapi.d.ts'] },
  ...ts.configs.recommended,
  ...svelte.configs.recommended,
  {
    files: ['**/*.svelte', '**/*.svelte.ts'],
    languageOptions: { parserOptions: { parser: ts.parser, svelteConfig } },
    rules: {
      // The router is ours and its links are plain paths.
      'svelte/no-navigation-without-resolve': 'off',
    },
  },
  {
    files: ['src/components/**'],
    rules: {
      // What a component shows and does is given to it: by a view, the frame or the application.
      '@typescript-eslint/no-restricted-imports': [
        'error',
        {
          patterns: [
            {
              regex:
                '/lib/(app|first-screen\\.svelte|job-actions|later|pause|router\\.svelte|session\\.svelte|theme\\.svelte|toasts\\.svelte)$',
              allowTypeImports: true,
              message: 'Take it as a prop.',
            },
          ],
        },
      ],
    },
  },
)
