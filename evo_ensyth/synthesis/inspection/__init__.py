"""What a network does, found by running it: any ``torch.nn.Module``, without reading its code.

`operations` records what a network computes for one sample, operation by operation: which layers are called how often,
what follows each of them, what each result depends on, and how many multiplications that takes. `units` finds out which
neurons and filters can be removed, and who reads them, by making their outputs NaN. `removal` removes them, and
believes the smaller network only if it answers as the larger one does without them.

A network is a module in evaluation mode that takes one argument, a tensor or a tree of tensors whose first axis is the
sample, and returns logits, (n_samples, n_classes).
"""
