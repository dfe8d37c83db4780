"""learning_torch.py by torch.compile."""

import learning_torch

learning_torch.main(compiled=True)
