"""What turns a model as exporters write it into its normal form, one rewrite a module.

A pass takes a draft and what is known of its tensors, and returns a draft that computes the same.
"""
