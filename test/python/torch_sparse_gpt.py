"""SparseGPT (arXiv 2301.00774, algorithm 1) to 2:4, as its authors publish it."""
import torch


def sparse_gpt(w, h, damping, block=128):
    rows, cols = w.shape
    w, h = w.clone(), h.clone()
    h.diagonal().add_(damping)
    u = torch.linalg.cholesky(torch.cholesky_inverse(torch.linalg.cholesky(h)), upper=True)
    for first in range(0, cols, block):
        last = min(first + block, cols)
        part, errors = w[:, first:last].clone(), torch.zeros(rows, last - first, device=w.device)
        corner = u[first:last, first:last]
        mask = torch.zeros_like(part, dtype=torch.bool)
        for i in range(last - first):
            if i % 4 == 0:
                loss = part[:, i : i + 4] ** 2 / corner.diagonal()[i : i + 4] ** 2
                mask.scatter_(1, i + torch.topk(loss, 2, dim=1, largest=False)[1], True)
            pruned = part[:, i].clone()
            pruned[mask[:, i]] = 0
            error = (part[:, i] - pruned) / corner[i, i]
            part[:, i:] -= error[:, None] * corner[i, i:][None]
            part[:, i] = pruned
            errors[:, i] = error
        w[:, first:last] = part
        w[:, last:] -= errors @ u[first:last, last:]
    return w
