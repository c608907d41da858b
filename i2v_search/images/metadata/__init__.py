"""What booru sites, downloaders and data sets say of pictures, in their own files."""
