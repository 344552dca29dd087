/** What can compute blocks: the processor, a GPU through Vulkan (inside onnxruntime-node), or a GPU through CUDA. */
export const DEVICES = ['cpu', 'webgpu', 'cuda'] as const;

export type DeviceName = (typeof DEVICES)[number];
