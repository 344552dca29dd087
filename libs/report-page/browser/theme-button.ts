import { element } from './dom.ts';
import { setTheme } from './theme.ts';

/** Changes between light and dark colours. */
export function themeButton(): HTMLElement {
  const isDark = () => {
    const chosen = document.documentElement.dataset.theme;
    return chosen === undefined ? matchMedia('(prefers-color-scheme: dark)').matches : chosen === 'dark';
  };
  const button = element('button', {
    type: 'button',
    class: 'theme',
    onclick: () => {
      setTheme(isDark() ? 'light' : 'dark');
      label();
    },
  });
  const label = () => {
    button.textContent = isDark() ? 'Light colours' : 'Dark colours';
  };
  label();
  return button;
}
