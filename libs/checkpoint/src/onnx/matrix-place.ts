/**
 * Where the elements of a matrix (rows x cols) lie in a tensor of a graph. A column is `outer * inner + i`: of a convolution
 * the outer part is the position in the kernel and the inner one the input channel, so that consecutive columns are channels,
 * which is how sparse tensor cores group them.
 */
export interface MatrixPlace {
  /** Which tensor of the file: see `tensorsOf`. */
  readonly tensor: number;
  /** Element of row 0, column 0. */
  readonly base: number;
  readonly rowStride: number;
  /** Columns of an inner run. */
  readonly inner: number;
  readonly innerStride: number;
  readonly outerStride: number;
}

/** The matrix, row-major, from the elements of its tensor. */
export function gatherMatrix<Elements extends Float32Array | Uint16Array>(
  tensor: Elements,
  place: MatrixPlace,
  { rows, cols }: { readonly rows: number; readonly cols: number },
): Elements {
  const matrix = new (tensor.constructor as new (length: number) => Elements)(rows * cols);
  eachElement(place, rows, cols, (at, index) => {
    matrix[index] = tensor[at]!;
  });
  return matrix;
}

/** Writes a matrix, row-major, to where it lies in its tensor. */
export function scatterMatrix<Elements extends Float32Array | Uint16Array>(
  matrix: Elements,
  tensor: Elements,
  place: MatrixPlace,
  { rows, cols }: { readonly rows: number; readonly cols: number },
): void {
  eachElement(place, rows, cols, (at, index) => {
    tensor[at] = matrix[index]!;
  });
}

/** Calls with the element of the tensor for each of the matrix, in order. */
function eachElement(
  { base, rowStride, inner, innerStride, outerStride }: MatrixPlace,
  rows: number,
  cols: number,
  visit: (at: number, index: number) => void,
): void {
  const outer = cols / inner;
  let index = 0;
  for (let row = 0; row < rows; row++) {
    for (let o = 0; o < outer; o++) {
      let at = base + row * rowStride + o * outerStride;
      for (let i = 0; i < inner; i++) {
        visit(at, index++);
        at += innerStride;
      }
    }
  }
}
