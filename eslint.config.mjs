import nx from '@nx/eslint-plugin';
import prettier from 'eslint-config-prettier';
import tseslint from 'typescript-eslint';

/** A package stands on a floor, its tag, and imports from lower floors only: see CONTRIBUTING.md. */
const HIGHEST_FLOOR = 10;
const FLOORS = Array.from({ length: HIGHEST_FLOOR + 1 }, (_, floor) => ({
  sourceTag: `floor:${floor}`,
  onlyDependOnLibsWithTags: Array.from({ length: floor }, (_, below) => `floor:${below}`),
}));

export default tseslint.config(
  {
    ignores: [
      '**/.venv/',
      '**/dist/',
      '**/build/',
      '**/generated/',
      '**/node_modules/',
      '**/*.cjs',
      '**/*.mjs',
      '!eslint.config.mjs',
      '!scripts/beyond-language/*.mjs',
      // Plain JavaScript on purpose: nobody's types hold there.
      'examples/plugins/**/*.js',
      'out/',
      '.nx/',
      '.venv/',
    ],
  },
  ...tseslint.configs.strictTypeChecked,
  ...tseslint.configs.stylisticTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { '@nx': nx },
    rules: {
      // Who may build on whom, by the floor in each package.json; cycles are refused too.
      '@nx/enforce-module-boundaries': [
        'error',
        {
          // The tests try the plug-ins of the examples, and the packing, as they are.
          allow: ['../../examples/plugins/*', '../../scripts/pack/*'],
          depConstraints: FLOORS,
        },
      ],
      // A library is entered by its index only.
      'no-restricted-imports': ['error', { patterns: ['@esparse/*/*'] }],
      'no-console': 'error',
      // A method that others override names the parameters that it does not use itself with a _.
      '@typescript-eslint/no-unused-vars': ['error', { argsIgnorePattern: '^_' }],
      '@typescript-eslint/consistent-type-imports': 'error',
      // Typed arrays under noUncheckedIndexedAccess: an index in bounds by construction says so with `!`.
      '@typescript-eslint/no-non-null-assertion': 'off',
      '@typescript-eslint/restrict-template-expressions': [
        'error',
        { allowNumber: true, allowBoolean: true },
      ],
      '@typescript-eslint/prefer-for-of': 'off',
      // Our objects are closures: their methods do not use `this`, and may be taken off them.
      '@typescript-eslint/unbound-method': 'off',
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
    },
  },
  {
    files: ['**/*.test.ts'],
    rules: {
      // Jest's asymmetric matchers are `any`.
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
    },
  },
  {
    files: ['examples/plugins/**/*.test.ts', 'test/cuda/*laws.ts'],
    rules: {
      // Node's own test runner waits for its tests by itself.
      '@typescript-eslint/no-floating-promises': [
        'error',
        { allowForKnownSafeCalls: [{ from: 'package', name: ['test'], package: 'node:test' }] },
      ],
    },
  },
  {
    // Scripts without types, of no package.
    files: ['**/*.mjs'],
    ...tseslint.configs.disableTypeChecked,
    languageOptions: { parserOptions: { projectService: false } },
    rules: {
      ...tseslint.configs.disableTypeChecked.rules,
      ...{ '@nx/enforce-module-boundaries': 'off', 'no-console': 'off' },
    },
  },
  prettier,
);
