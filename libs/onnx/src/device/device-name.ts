/** What ONNX Runtime computes blocks on: the processor, or a GPU through Vulkan (inside onnxruntime-node). */
export const DEVICES = ['cpu', 'webgpu'] as const;

export type DeviceName = (typeof DEVICES)[number];
