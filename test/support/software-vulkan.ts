import { existsSync } from 'node:fs';

/** SwiftShader, a Vulkan driver that computes on the processor, as Debian's `chromium-common` installs it. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';
/** The Vulkan loader, where Debian's `libvulkan1` puts it. */
const LOADERS = ['/usr/lib/x86_64-linux-gnu/libvulkan.so.1', '/usr/lib64/libvulkan.so.1'];

/**
 * The environment of a process whose only GPU is a software one, or undefined where it is not installed: the tests of
 * `--device webgpu` are then left out, and say so. With ESPARSE_TEST_VULKAN=1 that is an error, for a machine that
 * promises to have it.
 */
export function softwareVulkan(): NodeJS.ProcessEnv | undefined {
  const missing = [
    SWIFTSHADER,
    ...(LOADERS.some((file) => existsSync(file)) ? [] : ['libvulkan.so.1']),
  ].filter((file) => file === 'libvulkan.so.1' || !existsSync(file));
  if (missing.length === 0) return { ...process.env, VK_DRIVER_FILES: SWIFTSHADER };
  const reason = `${missing.join(' and ')} not found (Debian: apt-get install chromium-common libvulkan1)`;
  if (process.env.ESPARSE_TEST_VULKAN === '1') throw new Error(reason);
  process.stderr.write(`WARNING: --device webgpu is not tested: ${reason}\n`);
  return undefined;
}

/** The environment of a process that finds no Vulkan driver, whatever is installed. */
export const NO_VULKAN: NodeJS.ProcessEnv = {
  ...process.env,
  VK_DRIVER_FILES: '/nonexistent/icd.json',
  VK_ICD_FILENAMES: '/nonexistent/icd.json',
};
